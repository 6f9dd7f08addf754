import * as core from "zod/v4/core";

/**
 * Reads a function's settings from its environment variables, once, at cold start. Variables that the schema does not
 * name are ignored.
 * @throws Error with one line for each variable that is missing or wrong
 */
export function readEnvironment<T extends core.$ZodType>(
  schema: T,
  environment: Record<string, string | undefined> = process.env,
): core.output<T> {
  const read = core.safeParse(schema, environment);
  if (read.success) return read.data;
  const lines = read.error.issues.map(({ path, message }) => `  ${path.join(".")}: ${message}`);
  throw new Error(`environment variables of this function:\n${lines.join("\n")}`);
}
