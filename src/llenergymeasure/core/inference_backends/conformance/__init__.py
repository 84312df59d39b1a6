"""The suite that every inference backend passes, the fake one and yours included."""
