import type { EnvironmentInput } from "../lib/config";
import { dev } from "./dev";
import { laptop } from "./laptop";
import { prod } from "./prod";

/** The environments that `-c env=<name>` chooses from. To add one, write its file and name it here. */
export const environments: Readonly<Record<string, EnvironmentInput>> = { laptop, dev, prod };
