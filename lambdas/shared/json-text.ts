import * as z from "zod/mini";

/** A variable that holds JSON. */
export const jsonText = z.pipe(
  z.string(),
  z.transform((text: string, context): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      context.issues.push({ code: "custom", input: text, message: `not JSON: ${(error as Error).message}` });
      return z.NEVER;
    }
  }),
);
