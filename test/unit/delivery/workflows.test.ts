import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";

const folder = join(__dirname, "../../../.github/workflows");
const { scripts } = JSON.parse(readFileSync(join(__dirname, "../../../package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

/** A workflow as GitHub's own parser reads it, and what it finds wrong. */
async function read(name: string, content: string) {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  const template = value ? await convertWorkflowTemplate(context, value) : undefined;
  return { template, errors: context.errors.getErrors().map(({ message }) => message) };
}

const files = readdirSync(folder);
const text = (name: string) => readFileSync(join(folder, name), "utf8");

interface Step {
  readonly uses?: { readonly value: string };
  readonly run?: { toString(): string };
}
interface Job {
  readonly id: { readonly value: string };
  readonly type: string;
  readonly steps: readonly Step[];
  readonly permissions?: Readonly<Record<string, string>>;
}

async function jobs(name: string): Promise<Job[]> {
  return ((await read(name, text(name))).template?.jobs ?? []) as unknown as Job[];
}

describe.each(files)("%s", (name) => {
  test("is what GitHub takes: keys, types, expressions and the contexts that they may use", async () => {
    expect((await read(name, text(name))).errors).toEqual([]);
    expect((await jobs(name)).length).toBeGreaterThan(0);
  });

  test("runs no action but at a commit, with its version beside it", () => {
    const uses = text(name)
      .split("\n")
      .filter((line) => /\buses:/.test(line));
    expect(uses.length).toBeGreaterThan(0);
    for (const line of uses) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("calls scripts that there are", () => {
    for (const [, script = ""] of text(name).matchAll(/npm run ([\w:]+)/g))
      expect(Object.keys(scripts)).toContain(script);
  });

  test("takes no text of a stranger's into a shell", () => {
    const inShell = [...text(name).matchAll(/run: (?:\|\n((?: {10,}.*\n)+)|(.*))/g)].map(([all]) => all).join("\n");
    expect(inShell).not.toMatch(/\$\{\{/);
  });
});

describe("the parser", () => {
  test.each([
    ["an unknown key", "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    stepz: []\n"],
    [
      "an expression that does not end",
      "on: push\njobs:\n  a:\n    runs-on: ${{ vars.X\n    steps:\n      - run: ls\n",
    ],
    [
      "a context that is not there",
      "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    if: needs.b.outputs.c == steps.d.outputs.e\n    steps:\n      - run: ls\n",
    ],
    ["a job that nobody has", "on: push\njobs:\n  a:\n    runs-on: x\n    needs: b\n    steps:\n      - run: ls\n"],
  ])("would find %s", async (_what, content) => {
    expect((await read("wrong.yml", content)).errors).not.toEqual([]);
  });
});

describe("deploy.yml", () => {
  /** The least that each job needs; only the pull request's may write, and only its comment. */
  const rights: Readonly<Record<string, string[]>> = {
    diff: ["contents: read", "id-token: write", "pull-requests: write"],
    dev: ["contents: read", "id-token: write"],
    prod: ["contents: read", "id-token: write"],
  };
  const block = (id: string) => {
    const [, body = ""] = new RegExp(`^ {2}${id}:\\n((?: {4,}.*\\n|\\n)+)`, "m").exec(text("deploy.yml")) ?? [];
    return body;
  };

  test("signs in by OIDC alone, each job with no more rights than it needs", async () => {
    expect(text("deploy.yml")).toMatch(/^permissions:\n {2}contents: read\n(?! )/m);
    expect((await jobs("deploy.yml")).map(({ id }) => id.value)).toEqual(Object.keys(rights));
    for (const [id, expected] of Object.entries(rights)) {
      const [, granted = ""] = /permissions:\n((?: {6}.*\n)+)/.exec(block(id)) ?? [];
      expect(granted.trim().split(/\n\s*/)).toEqual(expected);
      expect(block(id)).toMatch(/role-to-assume: \$\{\{ vars\./);
    }
    expect(text("deploy.yml")).not.toMatch(/aws-access-key|aws-secret|secrets\./);
  });

  test("deploys to dev and tries it; to prod after that, and after its environment's reviewers", async () => {
    for (const id of ["dev", "prod"]) {
      expect(block(id)).toMatch(new RegExp(`environment: ${id}\\n`));
      const runs = [...block(id).matchAll(/- run: (.*)/g)].map(([, command]) => command);
      expect(runs).toEqual([
        "npm ci",
        `npm run doctor -- --env ${id} --region "$AWS_REGION"`,
        `npm run deploy -- --env ${id} --region "$AWS_REGION" --yes`,
        `npm run smoke -- --env ${id} --region "$AWS_REGION"`,
      ]);
    }
    expect(block("prod")).toMatch(/needs: dev\n/);
  });
});
