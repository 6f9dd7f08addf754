/** What of an error is logged. Drivers hang more on it: the command with its password, the row with its e-mail address. */
const HARMLESS = ["name", "location", "message", "stack", "code", "cause"] as const;

/** Credentials and addresses of people in a text, by their form. */
const SECRETS: readonly RegExp[] = [
  // Signed requests, which IAM's tokens for Postgres and Valkey are, too.
  /(?<=X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"']+/gi,
  /(?<=Signature=)[0-9a-f]{64}/gi,
  /(?<=Credential=)[^,&\s"']+/gi,
  /(?<=authorization["']?\s*[:=]\s*["']?)(?:(?:Bearer|Basic)\s+)?[^\s"',]+/gi,
  /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  // Not `user@host:port`, which says where a connection went.
  /[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?!\.?[\w-]|:\d)/g,
];

const mask = (text: string): string => SECRETS.reduce((masked, form) => masked.replace(form, "…"), text);

const isError = (value: unknown): value is Record<string, unknown> =>
  value instanceof Error ||
  (typeof value === "object" && value !== null && "stack" in value && "message" in value && "name" in value);

/** For `JSON.stringify`: leaves out of a log line what nobody may read there. */
export function discreet(_key: string, value: unknown): unknown {
  if (typeof value === "string") return mask(value);
  if (!isError(value)) return value;
  return Object.fromEntries(HARMLESS.filter((name) => value[name] !== undefined).map((name) => [name, value[name]]));
}

/** The error to throw on, as the runtime logs whatever hangs on it: itself where that is nothing, else its name, message and stack alone. */
export function plain(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const message = mask(error.message);
  if (message === error.message && Object.keys(error).every((key) => key === "name")) return error;
  const told = new Error(message);
  told.name = error.name;
  told.stack = mask(error.stack ?? "");
  return told;
}
