"""Methods around other methods: at several layers, on copies, smoothed, spread, refined."""
