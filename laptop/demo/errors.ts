/** What the user gave cannot be used: one line that names it and the fix; the demo exits with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something went wrong on the way: one line that says what, and where to look; the demo exits with 1. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}
