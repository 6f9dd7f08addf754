import * as z from "zod/mini";

/** The hooks learn all they need from the event. */
export const environment = z.object({});
