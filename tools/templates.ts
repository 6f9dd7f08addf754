import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import type { CloudAssembly } from "aws-cdk-lib/cx-api";
import { context } from "../cdk.json";
import { environments } from "../config";
import { addEnvironment } from "../lib/app";
import { ConfigError, type EnvironmentConfig, type EnvironmentInput, readConfig } from "../lib/config";

/** One resource of a template. */
export interface Resource {
  readonly stack: string;
  readonly id: string;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: templates are read by property name
  readonly properties: any;
}

/** An environment as it would be deployed. */
export interface Synthesized {
  readonly config: EnvironmentConfig;
  readonly stacks: readonly string[];
  readonly resources: readonly Resource[];
  /** The whole templates, by stack. */
  readonly templates: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What `synthesize` may do differently. */
export interface SynthesisOptions {
  /** Bundle the functions' code, without which a template does not show whether it changed. @default false */
  readonly bundles?: boolean;
  /** Keep templates and assets in this folder. @default a folder that goes again */
  readonly outdir?: string;
}

/**
 * Synthesizes an environment of `config/`.
 * @param overrides settings laid over those of the environment
 * @throws ConfigError naming the environments there are, or what is wrong with the settings
 */
export function synthesize(
  name: string,
  overrides: EnvironmentInput = {},
  { bundles = false, outdir }: SynthesisOptions = {},
): Synthesized {
  const input = environments[name];
  if (!input)
    throw new ConfigError(`--env ${name}: no such environment; use one of ${Object.keys(environments).join(", ")}`);
  const config = readConfig(name, merge(input, overrides));
  const folder = outdir ?? mkdtempSync(join(tmpdir(), "segue-synth-"));
  const validation = process.env.CDK_VALIDATION;
  // The tests run CDK's rules on every template; here they would only take time.
  process.env.CDK_VALIDATION = "false";
  try {
    const app = new App({
      context: { ...context, ...(!bundles && { "aws:cdk:bundling-stacks": [] }) },
      outdir: folder,
    });
    addEnvironment(app, config);
    return { config, ...read(app.synth()) };
  } finally {
    if (validation === undefined) delete process.env.CDK_VALIDATION;
    else process.env.CDK_VALIDATION = validation;
    if (!outdir) rmSync(folder, { recursive: true, force: true });
  }
}

/** What stacks a synthesized app has, in the order in which they are deployed. */
export function read({ stacks }: CloudAssembly): Omit<Synthesized, "config"> {
  return {
    stacks: stacks.map(({ stackName }) => stackName),
    templates: Object.fromEntries(stacks.map(({ stackName, template }) => [stackName, template])),
    resources: stacks.flatMap(({ stackName, template }) =>
      Object.entries(template.Resources as Record<string, { Type: string; Properties?: unknown }>).map(
        ([id, { Type, Properties }]) => ({ stack: stackName, id, type: Type, properties: Properties ?? {} }),
      ),
    ),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Lays one over the other; objects are merged at every depth, the rest is replaced. */
export function merge(below: object, above: object): object {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isObject(old) && isObject(value) ? merge(old, value) : value;
  }
  return merged;
}
