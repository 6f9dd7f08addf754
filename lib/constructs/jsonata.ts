/** A value of a state that Step Functions evaluates. */
export const expression = (code: string): string => `{% ${code} %}`;

/** JSONata's text of a JSON value, of whose strings those that are expressions stand as code. */
export function literal(value: unknown): string {
  if (typeof value === "string") {
    const [, code] = /^\{% (.*) %\}$/s.exec(value) ?? [];
    return code ?? `'${value.replaceAll(/[\\']/g, "\\$&")}'`;
  }
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([key, field]) => `'${key}': ${literal(field)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** The same for each value of an object. */
export const expressions = (fields: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, expression(value)]));
