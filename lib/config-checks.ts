/*
 * What a text of the configuration must be beyond its form. Each says whether AWS would take it, so that a mistake shows at synth and not
 * half-way through a deployment.
 */

/** Whether a CIDR is a network of private addresses: RFC 1918, or 100.64.0.0/10, all bits after the prefix 0. */
export function isPrivateNetwork(cidr: string): boolean {
  const [address = "", size = ""] = cidr.split("/");
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return false;
  const [a = 0, b = 0] = parts;
  const own =
    a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128);
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  return own && value % 2 ** (32 - Number(size)) === 0;
}

/**
 * Whether EventBridge Scheduler takes an expression: a rate with its unit in the right number, or six fields of which one day is `?`.
 * https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 */
export function isSchedule(expression: string): boolean {
  const [, count, plural] = /^rate\(([1-9]\d*) (?:minute|hour|day)(s?)\)$/.exec(expression) ?? [];
  if (count !== undefined) return (count === "1") === (plural === "");
  const fields = /^cron\((.+)\)$/.exec(expression)?.[1]?.split(" ") ?? [];
  const [, , dayOfMonth, , dayOfWeek] = fields;
  return (
    fields.length === 6 &&
    fields.every((field) => /^[\dA-Z*,/?#-]+$/.test(field)) &&
    (dayOfMonth === "?") !== (dayOfWeek === "?")
  );
}

export function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return /^[A-Z]/.test(name);
  } catch {
    return false;
  }
}

export const areDistinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;
