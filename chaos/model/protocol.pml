/* The failover protocol of one group: three members, operations that may stall or die between any two steps.
 *
 * Checked by Spin: `make model`. What is modelled and what is not: docs/explanation/model.md.
 * The worlds and the mutants, each of which takes one rule out by a name in capitals, are in configuration.py.
 */
#ifndef WRITES
#define WRITES 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 3
#endif
#ifndef K0
#define K0 1
#endif

#define MEMBERS 3
#define NONE 3                          /* no upstream: the WAL receiver is gone, and stays gone */
#ifdef PROGRESS
#define ENTRIES (WRITES + OPERATIONS + OPERATIONS - FAULTY_OPERATIONS + 1)
#define ENTRY_SET short
#else
#define ENTRIES (WRITES + OPERATIONS)   /* a promotion writes one record of its own */
#define ENTRY_SET byte
#endif
#define bit(n) (1 << (n))
#define ones(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1))

/* A rule (p, S, k) in one byte. 0 is no rule. */
#define RULE(p, s, k) ((p) | ((s) << 2) | ((k) << 5))
#define PRIMARY(r) ((r) & 3)
#define SET(r) (((r) >> 2) & 7)
#define COUNT(r) ((r) >> 5)

/* WAL. Entries are numbered as they are written; an entry's line is the set of entries it stands on, itself included. So a
 * member's whole WAL is the number of its last entry, and "a has b" is one bit. Entry 0 is the common beginning. */
byte entries;
ENTRY_SET line[ENTRIES + 1];
byte timeline[ENTRIES + 1];
ENTRY_SET promotions;                   /* which entries are a promotion's, as a set */
byte writes;
byte acked;                             /* the last entry that some client was told of */

/* Members. They survive crashes with all of this, so a crash is a member that takes no step. */
byte last[MEMBERS];                     /* last entry on disk */
byte upstream[MEMBERS];
bool writable[MEMBERS];                 /* a primary with a living postmaster */
byte sync[MEMBERS];                     /* a primary's synchronous_standby_names, as a rule; 0 on a standby */
byte host_epoch[MEMBERS];

/* The record. Its version is not kept: every operation begins by raising it, so a compare-and-set fails exactly when a
 * later operation has begun. */
byte epoch = 1;
byte rules[OPERATIONS + 1];             /* the newest last */
byte rule_count = 1;
byte pending;                           /* what is under way while several rules stand: FAILOVER, SET_CHANGE or ROLL_BACK */

/* Operations, one a controller. Operation o carries epoch o + 2. */
#define EPOCH(o) ((o) + 2)
#define current(o) (epoch == EPOCH(o))
#define may(o, n) (here(n) && (host_epoch[n] <= EPOCH(o) || NO_CHECK))
#define FAILOVER 1
#define SWITCHOVER 2
#define SET_CHANGE 3
#define ROLL_BACK 4
#define BEGUN 1
#define RECORDED 2
#define EFFECTED 3                      /* promoted, or the new sync set is in force */
#define MARKED 4
#define DONE 5
byte kind[OPERATIONS];
byte stage[OPERATIONS];
byte plan[OPERATIONS];                  /* the new rule; for a switchover that has not chosen, the old one */
byte marker[OPERATIONS];                /* the last entry under the old setting: the marker stands behind it */

/* What the current operation has sealed. A later one starts afresh. */
byte asked;
byte sealed;
byte position[MEMBERS];

#ifdef POSITION_READ_EARLY
#define TWO_PART_SEAL
#endif

/* Faults stop at a moment, any moment: from then on messages arrive, at most one member stays away for ever, and the
 * controllers do what they are there for. Until then at most FAULTY_OPERATIONS begin. A write sent afterwards must be
 * acknowledged, whatever was left lying about. */
#ifdef PROGRESS
byte healed_at;                         /* the epoch in which faults stopped; 0 before */
byte away = NONE;                       /* who stays away */
byte sent;                              /* the write that a client sent last since then */
bool served;                            /* it was acknowledged */
#define healed (healed_at != 0)
#define here(n) (away != (n))
#define present (7 - (away == NONE -> 0 : bit(away)))
#define may_write(n) ((writes < WRITES && !healed) || (healed && !served && rule_count == 1 && PRIMARY(rules[0]) == n && \
	(sent == 0 || !held_by(n, sent))))
/* A new operation begins when the one before can go no further, or when its controller is gone. */
#define may_begin(o) (epoch == o + 1 && (healed -> \
	(timeout && !served) || (epoch == healed_at && o > 0 && stage[o - 1] != DONE) : o < FAULTY_OPERATIONS))
#define sensible(s) (!healed || ((s) & ~present) == 0)
#define newest (pending == ROLL_BACK -> rules[0] : rules[rule_count - 1])
#define can_resume (!healed || (here(PRIMARY(newest)) && ones(SET(newest) & present) >= COUNT(newest) && \
	(pending != SET_CHANGE || \
	(writable[PRIMARY(newest)] && streaming(SET(newest) & present, PRIMARY(newest)) >= COUNT(newest)))))
#define may_join(s, p) (streaming(s, p) == ones(s))
#define may_be_heard(o) (streaming(SET(plan[o]) & present, PRIMARY(plan[o])) >= COUNT(plan[o]))
#define can_change_set (!healed || (here(PRIMARY(rules[0])) && writable[PRIMARY(rules[0])]))
#define can_switch_over (!healed)
#define can_turn_back (!healed)
ltl progress { [] (healed -> <> served) }
#else
#define here(n) true
#define present 7
#define may_write(n) (writes < WRITES)
#define may_begin(o) (epoch == o + 1)
#define sensible(s) true
#define may_join(s, p) true
#define may_be_heard(o) true
#define can_resume true
#define can_change_set true
#define can_switch_over true
#define can_turn_back true
#endif

/* A world may say which kind each operation is of, a digit each, the first operation's last: fewer states. */
#ifdef KINDS
#define of_kind(o, k) ((KINDS / (o == 0 -> 1 : (o == 1 -> 10 : (o == 2 -> 100 : 1000)))) % 10 == k)
#else
#define of_kind(o, k) true
#endif
#ifdef RESUME_ONLY
#define can_fail_over (rule_count == 1)
#else
#define can_fail_over true
#endif
#ifdef NO_EPOCH_CHECK
#define NO_CHECK true
#else
#define NO_CHECK false
#endif
#ifdef ONE_SEALED_IS_ENOUGH
#define needed(r) 1
#else
#define needed(r) (ones(SET(r)) - COUNT(r) + 1)
#endif
#define satisfied(r) ((r) == 0 || (sealed & bit(PRIMARY(r))) || ones(sealed & SET(r)) >= needed(r))
#if OPERATIONS == 1
#define all_satisfied (satisfied(rules[0]) && satisfied(rules[1]))
#elif OPERATIONS == 2
#define all_satisfied (satisfied(rules[0]) && satisfied(rules[1]) && satisfied(rules[2]))
#elif OPERATIONS == 3
#define all_satisfied (satisfied(rules[0]) && satisfied(rules[1]) && satisfied(rules[2]) && satisfied(rules[3]))
#else
#define all_satisfied (satisfied(rules[0]) && satisfied(rules[1]) && satisfied(rules[2]) && satisfied(rules[3]) && \
	satisfied(rules[4]))
#endif

#ifdef LOCAL_TIMELINES
#define NEXT_TIMELINE(o, h) (timeline[last[h]] + 1)
#else
#define NEXT_TIMELINE(o, h) EPOCH(o)
#endif
/* An heir that is promoted already, by the operation that this one resumes, stays on its timeline. */
#ifdef OLD_TIMELINE_KEPT
#define KEEPS_TIMELINE(h) (sync[h] != 0)
#else
#define KEEPS_TIMELINE(h) (writable[h])
#endif

/* Every member of a new set is told of the epoch before the set is recorded: what an earlier operation may still send it, a
 * rewind above all, is refused there. */
#ifdef UNTOLD_MEMBERS_COUNT
#define may_tell(o, s) true
inline tell_epoch(o, s) { skip }
#else
#define may_tell(o, s) ((!((s) & 1) || may(o, 0)) && (!((s) & 2) || may(o, 1)) && (!((s) & 4) || may(o, 2)))
inline tell_epoch(o, s) {
	if :: (s) & 1 -> host_epoch[0] = EPOCH(o) :: else fi;
	if :: (s) & 2 -> host_epoch[1] = EPOCH(o) :: else fi;
	if :: (s) & 4 -> host_epoch[2] = EPOCH(o) :: else fi
}
#endif

#define contains(e, x) ((line[e] >> (x)) & 1)
#define length(e) (ones(line[e]) + ones(line[e] >> 3) + ones(line[e] >> 6))
#ifdef HEIR_BY_POSITION
#define rank(e) length(e)
#else
#define rank(e) (timeline[e] * 16 + length(e))
#endif
#define no_better(n, h) (!(sealed & bit(n)) || rank(position[n]) <= rank(position[h]))
#define best(h) ((sealed & bit(h)) && no_better(0, h) && no_better(1, h) && no_better(2, h))

#define held_by(n, e) (contains(last[n], e))
#define holders(s, e) ((((s) & 1) && held_by(0, e)) + (((s) & 2) && held_by(1, e)) + (((s) & 4) && held_by(2, e)))
#define streams(n, p) (upstream[n] == (p) && !writable[n] && held_by(p, last[n]))
#define streaming(s, p) ((((s) & 1) && streams(0, p)) + (((s) & 2) && streams(1, p)) + (((s) & 4) && streams(2, p)))
#define can_acknowledge(p) (writable[p] && streaming(SET(sync[p]), p) >= COUNT(sync[p]))

/* Scratch: zero between steps, so that it adds no state. */
byte x, q, e;

/* B and C begin alike. Until they differ, the first to be treated alone is B: the other half of the world is its mirror. */
bool apart;
#define may_single_out(s) (apart || ((s) & 6) != 4)
inline single_out(s) { if :: ((s) & 6) == 2 -> apart = true :: else fi }

#define NAME(n) ('A' + (n))
#define NAMES(s) ((s) & 1 -> 'A' : '-'), ((s) & 2 -> 'B' : '-'), ((s) & 4 -> 'C' : '-')
inline show_rule(r) { printf("(%c, {%c%c%c}, %d)", NAME(PRIMARY(r)), NAMES(SET(r)), COUNT(r)) }

/* S3 on the line of what was acknowledged. A write is acknowledged as soon as k members of the set hold it, the earliest
 * that a client can hear of it; nobody waits any more for one of an earlier timeline, because its session is gone. */
inline tell(p, a) {
#ifdef PROGRESS
	if :: sent != 0 && contains(a, sent) -> served = true :: else fi;
#endif
	if
	:: contains(acked, a) -> skip
	:: !contains(acked, a) && contains(a, acked) -> acked = a
	:: else ->
		printf("\nVIOLATION S3: %c tells clients of entry %d, which forks from entry %d, told before\n",
			NAME(p), a, acked);
		assert(false)
	fi
}
inline acknowledge() {
	q = 0;
	do
	:: q < MEMBERS ->
		if
		:: writable[q] ->
			e = last[q];
			do
			:: holders(SET(sync[q]), e) >= COUNT(sync[q]) && !(promotions & bit(e)) -> break
			:: else -> do :: e--; if :: contains(last[q], e) -> break :: else fi od
			od;
			if
			:: timeline[e] == timeline[last[q]] && e != acked && !contains(acked, e) ->
				printf("; %c acknowledges entry %d", NAME(q), e); tell(q, e)
			:: else
			fi
		:: else
		fi;
		q++
	:: else -> break
	od;
	e = 0; q = 0
}
inline at_most_one_acknowledges() {
	if
	:: can_acknowledge(0) + can_acknowledge(1) + can_acknowledge(2) > 1 ->
		printf("\nVIOLATION S3: two members can obtain acknowledgements\n");
		assert(false)
	:: else
	fi
}
inline has_all_that_was_acknowledged(h) {
	if
	:: !held_by(h, acked) ->
		printf("\nVIOLATION S1: the record names %c, which lacks entry %d, of which a client was told\n", NAME(h), acked);
		assert(false)
	:: else
	fi
}
inline append(n, on_timeline) {
	entries++;
	line[entries] = line[last[n]] | bit(entries);
	timeline[entries] = on_timeline;
	last[n] = entries
}

/* A member by itself: it takes writes, and it receives. */
proctype Member(byte n) {
	do
	:: d_step { writable[n] && here(n) && may_write(n) ->
		append(n, timeline[last[n]]);
#ifdef PROGRESS
		if :: healed -> sent = entries :: else -> writes++ fi;
#else
		writes++;
#endif
		printf("write: %c writes entry %d", NAME(n), entries); printf("\n") }
#ifdef SEAL_FORGOTTEN
	:: d_step { !writable[n] && sync[n] != 0 && upstream[n] == NONE ->
		writable[n] = true; printf("restart: %c, a primary before, starts alone", NAME(n)); acknowledge(); printf("\n") }
#endif
	:: d_step { !writable[n] && here(n) && upstream[n] != NONE && here(upstream[n]) && may_single_out(bit(n)) &&
		last[n] != last[upstream[n]] && held_by(upstream[n], last[n]) ->
		single_out(bit(n));
		x = last[n] + 1;
		do :: contains(last[upstream[n]], x) -> break :: else -> x++ od;
		last[n] = x; x = 0;
		printf("receive: %c receives entry %d from %c", NAME(n), last[n], NAME(upstream[n]));
		acknowledge(); printf("\n") }
	od
}

inline begin(o, k, st) {
	epoch++; kind[o] = k; stage[o] = st;
	asked = 0; sealed = 0; position[0] = 0; position[1] = 0; position[2] = 0;
	/* What earlier operations may still do needs no more than this of them. */
	x = 0;
	do
	:: x < o ->
		marker[x] = 0;
		if
		:: stage[x] == MARKED -> stage[x] = EFFECTED
		:: else
		fi;
		if
		:: stage[x] == DONE || (stage[x] == EFFECTED && kind[x] == SET_CHANGE) -> stage[x] = DONE; kind[x] = 0; plan[x] = 0
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0
}

/* One end of the seal: nothing is received or written here any more. */
inline close(n) { upstream[n] = NONE; writable[n] = false }

#ifdef TWO_PART_SEAL
inline ask(o, n) {
	single_out(bit(n));
	host_epoch[n] = EPOCH(o); asked = asked | bit(n);
	printf("seal: operation %d asks %c to stop", EPOCH(o), NAME(n));
#ifdef POSITION_READ_EARLY
	position[n] = last[n]; printf(", and reads its position: entry %d", last[n]);
#endif
	printf("\n")
}
#define ASK(n) \
	:: d_step { sealing(o) && current(o) && !(asked & bit(n)) && in_turn(o, n) && may(o, n) && \
		may_single_out(bit(n)) -> ask(o, n) }
#define may_seal(o, n) (here(n) && (asked & bit(n)) && (host_epoch[n] == EPOCH(o) || NO_CHECK))
#else
#define ASK(n)
#define may_seal(o, n) (in_turn(o, n) && may(o, n) && may_single_out(bit(n)))
#endif
inline seal(o, n) {
	single_out(bit(n));
	host_epoch[n] = EPOCH(o); close(n); sealed = sealed | bit(n);
	if :: n != PRIMARY(plan[o]) -> kind[o] = FAILOVER; plan[o] = 0 :: else fi;
	printf("seal: operation %d has stopped %c", EPOCH(o), NAME(n));
#ifndef POSITION_READ_EARLY
	position[n] = last[n]; printf(" and reads its position: entry %d", last[n]);
#endif
	printf("\n")
}
/* A switchover stops the primary first. From its second seal on it is a failover that has the old primary sealed: rolling
 * back later than that leaves standbys sealed, which is no more than standbys that nobody hears. */
#define in_turn(o, n) (kind[o] == FAILOVER || n == PRIMARY(plan[o]) || (sealed & bit(PRIMARY(plan[o]))))
#define sealing(o) (stage[o] == BEGUN && (kind[o] == FAILOVER || kind[o] == SWITCHOVER))

inline record_set(o, s, k) {
	single_out(s); tell_epoch(o, s);
	plan[o] = RULE(PRIMARY(plan[o]), s, k); stage[o] = RECORDED;
	printf("record: operation %d ", EPOCH(o));
#ifdef NO_JOINT_RULE
	printf("does not add the rule ");
#else
	rules[rule_count] = plan[o]; rule_count++; pending = SET_CHANGE; printf("adds the rule ");
#endif
	show_rule(plan[o]); printf("\n")
}
inline choose(o, h, s, k) {
	single_out(bit(h)); single_out(s); tell_epoch(o, s);
	kind[o] = FAILOVER; stage[o] = RECORDED; plan[o] = RULE(h, s, k);
	printf("choose: operation %d chooses %c", EPOCH(o), NAME(h));
#ifndef RECORD_AFTER_PROMOTION
	rules[rule_count] = plan[o]; rule_count++; pending = FAILOVER;
	printf("; record: adds the rule "); show_rule(plan[o]);
	has_all_that_was_acknowledged(h);
#endif
	asked = 0; sealed = 0; position[0] = 0; position[1] = 0; position[2] = 0;
	printf("\n")
}
inline promote(o, h) {
	host_epoch[h] = EPOCH(o); stage[o] = EFFECTED; upstream[h] = NONE;
	if
	:: KEEPS_TIMELINE(h) -> printf("promote: operation %d starts %c again as the primary", EPOCH(o), NAME(h))
	:: else ->
#ifdef ROUTED_BEFORE_MARKER
		if
		:: current(o) ->
			printf("read: a client is shown entry %d at %c once it is the primary; ", last[h], NAME(h));
			tell(h, last[h])
		:: else
		fi;
#endif
		append(h, NEXT_TIMELINE(o, h)); promotions = promotions | bit(entries);
		printf("promote: operation %d promotes %c, which writes entry %d on timeline %d", EPOCH(o), NAME(h), entries,
			timeline[entries])
	fi;
	writable[h] = true; sync[h] = plan[o];
	if :: current(o) -> marker[o] = last[h] :: else fi;
	acknowledge(); at_most_one_acknowledges(); printf("\n")
}
inline follow(o, n) {
	single_out(bit(n));
	host_epoch[n] = EPOCH(o);
	printf("follow: operation %d lets %c follow %c", EPOCH(o), NAME(n), NAME(PRIMARY(plan[o])));
	x = last[n];
	do :: contains(last[PRIMARY(plan[o])], x) && contains(last[n], x) -> break :: else -> x-- od;
	if :: last[n] != x -> printf(", rewound to entry %d", x) :: else fi;
	last[n] = x; x = 0; upstream[n] = PRIMARY(plan[o]); writable[n] = false; sync[n] = 0;
	acknowledge(); at_most_one_acknowledges(); printf("\n")
}
/* A member that was the primary, or whose WAL forked, is rejoined: what its new upstream does not have is cut off. */
#define may_follow(o, n) (((kind[o] == SET_CHANGE && n != PRIMARY(plan[o])) || (SET(plan[o]) & bit(n))) && may(o, n) && \
	may_single_out(bit(n)) && writable[PRIMARY(plan[o])] && here(PRIMARY(plan[o])) && \
	(writable[n] || upstream[n] != PRIMARY(plan[o]) || !held_by(PRIMARY(plan[o]), last[n])))
#define following(o) ((kind[o] == SET_CHANGE && stage[o] == BEGUN) || \
	((kind[o] == FAILOVER || kind[o] == ROLL_BACK) && (stage[o] == EFFECTED || stage[o] == MARKED)))

inline set_sync(o, p) {
	host_epoch[p] = EPOCH(o); stage[o] = EFFECTED; sync[p] = plan[o];
	if :: current(o) -> marker[o] = last[p] :: else fi;
	printf("set_sync: operation %d sets ", EPOCH(o)); show_rule(plan[o]);
	acknowledge(); at_most_one_acknowledges(); printf("\n")
}
inline commit(o) {
	printf("commit: operation %d leaves only the rule ", EPOCH(o)); show_rule(plan[o]);
	has_all_that_was_acknowledged(PRIMARY(plan[o]));
	x = 0; do :: x <= OPERATIONS -> rules[x] = 0; x++ :: else -> break od; x = 0;
	rules[0] = plan[o]; rule_count = 1; pending = 0;
	stage[o] = DONE; kind[o] = 0; plan[o] = 0; marker[o] = 0;
	printf("\n")
}
#ifdef NO_MARKER
#define marker_acknowledged(o) true
#else
#define marker_acknowledged(o) (writable[PRIMARY(plan[o])] && sync[PRIMARY(plan[o])] == plan[o] \
	&& here(PRIMARY(plan[o])) && holders(SET(plan[o]) & present, marker[o]) >= COUNT(plan[o]) && may_be_heard(o))
#endif
/* Clients are sent here from now on, and read what was recovered: reading it counts as being told of it (S2). */
inline mark(o) {
	stage[o] = MARKED;
#ifndef NO_MARKER
	printf("marker: operation %d has its marker acknowledged by %c", EPOCH(o), NAME(PRIMARY(plan[o])));
	tell(PRIMARY(plan[o]), marker[o]); printf("\n");
#endif
	marker[o] = 0
}

/* Rolled back: the old primary, which this operation stopped, is started again. It keeps its timeline. */
#define stopped_by(o, p) (host_epoch[p] == EPOCH(o) && !writable[p] && sync[p] != 0 && upstream[p] == NONE)
inline start(o, p) {
	host_epoch[p] = EPOCH(o); writable[p] = true;
	printf("start: operation %d starts %c again", EPOCH(o), NAME(p));
	acknowledge(); at_most_one_acknowledges(); printf("\n")
}
#define RECORD_SET(s, k) \
	:: d_step { kind[o] == SET_CHANGE && stage[o] == BEGUN && current(o) && !(s & bit(PRIMARY(plan[o]))) && \
		plan[o] != RULE(PRIMARY(plan[o]), s, k) && sensible(s) && may_tell(o, s) && may_join(s, PRIMARY(plan[o])) && \
		may_single_out(s) -> record_set(o, s, k) }
#define SEAL(n) \
	:: d_step { sealing(o) && current(o) && !(sealed & bit(n)) && may_seal(o, n) -> seal(o, n) } \
	:: d_step { sealing(o) && !current(o) && may(o, n) && (kind[o] == FAILOVER || n == PRIMARY(plan[o])) && \
		(writable[n] || upstream[n] != NONE) && may_single_out(bit(n)) -> \
		single_out(bit(n)); host_epoch[n] = EPOCH(o); close(n); \
		printf("seal: operation %d, late, stops %c\n", EPOCH(o), NAME(n)) }
#define CHOOSE(h, s, k) \
	:: d_step { sealing(o) && current(o) && sealed != 0 && best(h) && all_satisfied && here(h) && sensible(s) && \
		may_tell(o, s) && may_single_out(bit(h)) && may_single_out(s) -> choose(o, h, s, k) }
#define PROMOTE(h) \
	:: d_step { stage[o] == RECORDED && kind[o] == FAILOVER && PRIMARY(plan[o]) == h && may(o, h) -> promote(o, h) }
#define FOLLOW(n) \
	:: d_step { following(o) && may_follow(o, n) -> follow(o, n) }

/* One operation, run by a controller that may stall, or die, between any two of its steps: it takes none, and later
 * operations begin when they please. So "believes that it leads and does not" is every operation but the current one. */
proctype Operation(byte o) {
	do
	:: d_step { may_begin(o) && of_kind(o, FAILOVER) && can_fail_over ->
		begin(o, FAILOVER, BEGUN);
		printf("begin: operation %d, failover\n", EPOCH(o)) }
	:: d_step { may_begin(o) && of_kind(o, SWITCHOVER) && rule_count == 1 && can_switch_over ->
		begin(o, SWITCHOVER, BEGUN); plan[o] = rules[0];
		printf("begin: operation %d, switchover\n", EPOCH(o)) }
	:: d_step { may_begin(o) && of_kind(o, 0) && rule_count > 1 && can_resume ->
		begin(o, pending, RECORDED);
		plan[o] = (pending == ROLL_BACK -> rules[0] : rules[rule_count - 1]);
		printf("begin: operation %d, resumes towards ", EPOCH(o)); show_rule(plan[o]); printf("\n") }
	:: d_step { may_begin(o) && of_kind(o, SET_CHANGE) && rule_count == 1 && can_change_set ->
		begin(o, SET_CHANGE, BEGUN); plan[o] = rules[0];
		printf("begin: operation %d, change of the sync set\n", EPOCH(o)) }
	ASK(0) ASK(1) ASK(2)
	SEAL(0) SEAL(1) SEAL(2)
	/* Before anything was recorded, nothing has changed. */
	:: d_step { kind[o] == SWITCHOVER && stopped_by(o, PRIMARY(plan[o])) ->
		start(o, PRIMARY(plan[o]));
		stage[o] = DONE; kind[o] = 0; plan[o] = 0;
		if :: current(o) -> asked = 0; sealed = 0; position[0] = 0; position[1] = 0; position[2] = 0 :: else fi }
	/* Afterwards the journal must say first which way the operation goes: the next controller resumes it that way. */
	:: d_step { kind[o] == FAILOVER && stage[o] == RECORDED && current(o) && rule_count == 2 && can_turn_back &&
		stopped_by(o, PRIMARY(rules[0])) ->
		kind[o] = ROLL_BACK; plan[o] = rules[0];
#ifndef TURN_NOT_RECORDED
		pending = ROLL_BACK;
#endif
		printf("record: operation %d turns back\n", EPOCH(o)) }
	:: d_step { kind[o] == ROLL_BACK && stage[o] == RECORDED && may(o, PRIMARY(plan[o])) && sync[PRIMARY(plan[o])] != 0 ->
		start(o, PRIMARY(plan[o])); stage[o] = EFFECTED;
		if :: current(o) -> marker[o] = last[PRIMARY(plan[o])] :: else fi }
	CHOOSE(0, 2, 1) CHOOSE(0, 4, 1) CHOOSE(0, 6, 1)
	CHOOSE(1, 1, 1) CHOOSE(1, 4, 1) CHOOSE(1, 5, 1)
	CHOOSE(2, 1, 1) CHOOSE(2, 2, 1) CHOOSE(2, 3, 1)
	PROMOTE(0) PROMOTE(1) PROMOTE(2)
	FOLLOW(0) FOLLOW(1) FOLLOW(2)
	RECORD_SET(1, 1) RECORD_SET(2, 1) RECORD_SET(4, 1)
	RECORD_SET(3, 1) RECORD_SET(5, 1) RECORD_SET(6, 1)
	RECORD_SET(3, 2) RECORD_SET(5, 2) RECORD_SET(6, 2)
	:: d_step { kind[o] == SET_CHANGE && stage[o] == RECORDED && writable[PRIMARY(plan[o])] && may(o, PRIMARY(plan[o])) ->
		set_sync(o, PRIMARY(plan[o])) }
	:: d_step { stage[o] == EFFECTED && current(o) && marker_acknowledged(o) ->
		mark(o) }
	:: d_step { stage[o] == MARKED && current(o) -> commit(o) }
	od
}

#ifdef PROGRESS
#define HEAL(n) \
	:: d_step { !healed && may_single_out(n == NONE -> 0 : bit(n)) -> \
		single_out((n == NONE -> 0 : bit(n))); healed_at = epoch; away = n; \
		printf("faults stop; %c stays away\n", (n == NONE -> '-' : NAME(n))) }
proctype Faults() {
	if
	HEAL(NONE) HEAL(0) HEAL(1) HEAL(2)
	fi
}
#endif

init {
	d_step {
		line[0] = 1; timeline[0] = 1;
		rules[0] = RULE(0, 6, K0);
		writable[0] = true; sync[0] = rules[0];
		upstream[0] = NONE;
		host_epoch[0] = 1; host_epoch[1] = 1; host_epoch[2] = 1
	}
	atomic {
		run Member(0); run Member(1); run Member(2);
#ifdef PROGRESS
		run Faults();
#endif
		run Operation(0);
#if OPERATIONS > 1
		run Operation(1);
#endif
#if OPERATIONS > 2
		run Operation(2);
#endif
#if OPERATIONS > 3
		run Operation(3);
#endif
	}
}
