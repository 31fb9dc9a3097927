"""What drctl tells about itself: a log of events, metrics, and answers over HTTP."""
