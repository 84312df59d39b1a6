"""Keys that configs of lem 3.x use, and what they are called now."""
