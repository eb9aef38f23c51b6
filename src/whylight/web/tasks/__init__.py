"""Questions about pictures: each a job of `whylight.jobs`, put in a queue, done by a worker, shown on a page."""
