// The link to a controller: server-sent events, and another center's controller when this one falls silent.

const SILENCE_MS = 2200; // a controller sends at least every second
const RACE_MS = 1500;
const BETTER_MS = 3000; // how often a controller that knows more is looked for

export class Link {
  // `tell(kind, detail)`: "hello" routes, "picture" cluster, "lost" center, "alone" nothing.
  constructor(tell) {
    this.tell = tell;
    this.bases = [location.origin];
    this.base = "";
    this.center = "";
    this.source = null;
    this.heardAt = 0;
    this.racing = false;
    this.betterAt = 0;
    setInterval(() => this.watch(), 200);
    this.race("");
  }

  watch() {
    if (this.source === null) {
      if (!this.racing) this.race("");
    } else if (performance.now() - this.heardAt > SILENCE_MS) {
      this.lose();
    }
  }

  lose() {
    const lost = this.base;
    this.source.close();
    this.source = null;
    this.tell("lost", this.center);
    this.race(lost);
  }

  // Ask all at once: the first that shows a picture is the one, and of those the first that has its coordinator.
  race(except, { onlyConnected = false } = {}) {
    this.racing = true;
    const open = new Map();
    const candidates = this.bases.filter((base) => base !== except);
    let second = null;
    const end = (base) => {
      clearTimeout(timer);
      this.racing = false;
      for (const [other, source] of open) if (other !== base) source.close();
      if (base) this.adopt(base, open.get(base), heard.get(base));
      else if (this.source === null) this.tell("alone");
    };
    const heard = new Map();
    const timer = setTimeout(() => end(second), RACE_MS);
    for (const base of candidates.length ? candidates : this.bases) {
      const source = new EventSource(`${base}/events`);
      open.set(base, source);
      heard.set(base, {});
      source.addEventListener("hello", (event) => { heard.get(base).routes = JSON.parse(event.data).routes; });
      source.addEventListener("cluster", (event) => {
        if (!this.racing || this.source === source) return;
        const picture = JSON.parse(event.data);
        heard.get(base).picture = picture;
        if (picture.connected) end(base);
        else if (!onlyConnected) second ??= base;
      });
      source.onerror = () => {
        source.close();
        if (second === base) second = null;
      };
    }
  }

  adopt(base, source, { routes, picture }) {
    if (this.source !== null) this.source.close();
    this.source = source;
    this.base = base;
    this.heardAt = performance.now();
    const beat = () => { this.heardAt = performance.now(); };
    source.addEventListener("beat", (event) => {
      beat();
      this.tell("beat", JSON.parse(event.data));
    });
    source.addEventListener("cluster", (event) => {
      beat();
      if (this.source === source) this.take(JSON.parse(event.data));
    });
    source.onerror = () => { if (this.source === source) this.lose(); };
    this.tell("hello", routes ?? []);
    this.take(picture);
  }

  take(picture) {
    this.center = picture.center;
    const told = picture.centers.filter((center) => center.http).map((center) => `http://${center.http}`);
    // The page's own origin stays: it may be a name, or a proxy, that no picture knows.
    this.bases = [...new Set([location.origin, ...told])];
    this.tell("picture", picture);
    if (!picture.connected && !this.racing && performance.now() - this.betterAt > BETTER_MS) {
      this.betterAt = performance.now();
      this.race(this.base, { onlyConnected: true });
    }
  }

  async get(path) {
    const answer = await fetch(`${this.base}${path}`, { signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return path.endsWith(".md") ? answer.text() : answer.json();
  }
}
