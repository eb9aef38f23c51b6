"""The same for programs: `/api/`."""
