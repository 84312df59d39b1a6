"""How the help of every command ends: with lines to copy, and what its exit code says."""

from __future__ import annotations

_ALWAYS = "2 the input is wrong, 130 interrupted."


def end_help(*examples: str, done: str = "done", failed: str = "failed") -> str:
    """The end of a command's help.

    Args:
        examples: Lines that work as they stand, but for the names in them.
        done: What exit code 0 says.
        failed: What exit code 1 says.
    """
    return end_help_with(f"Exit codes: 0 {done}, 1 {failed}, {_ALWAYS}", *examples)


def end_help_with(exit_codes: str, *examples: str) -> str:
    """``end_help`` of a command that has exit codes of its own."""
    title = "Example:" if len(examples) == 1 else "Examples:"
    # Click keeps the lines of a paragraph that begins with this character.
    return "\n".join(["\b", title, *(f"  {line}" for line in examples), "", exit_codes])
