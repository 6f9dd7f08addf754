/** A value of a state that Step Functions evaluates. */
export const expression = (code: string): string => `{% ${code} %}`;

/** The same for each value of an object. */
export const expressions = (fields: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, expression(value)]));
