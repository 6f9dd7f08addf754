import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const installed = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

interface Found {
  path: string;
  env: Record<string, string>;
}

/**
 * A Chromium: the one that `SEGUE_CHROMIUM` names, else an installed one, else (on Linux x64) the one that the npm package
 * `@sparticuz/chromium` ships, unpacked once into a folder of this user's.
 */
async function findChromium(): Promise<Found> {
  const path = process.env.SEGUE_CHROMIUM ?? installed.find((candidate) => existsSync(candidate));
  if (path) return { path, env: {} };
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error("no Chromium found: install Google Chrome or name a Chromium in SEGUE_CHROMIUM");
  }
  return unpackChromium();
}

async function unpackChromium(): Promise<Found> {
  const folder = join(tmpdir(), `segue-chromium-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // The package unpacks into the temporary folder, and its bundled system libraries (NSS, for lean machines) only where it
  // believes to be in a Lambda.
  const before = { TMPDIR: process.env.TMPDIR, AWS_LAMBDA_JS_RUNTIME: process.env.AWS_LAMBDA_JS_RUNTIME };
  const { LD_LIBRARY_PATH, FONTCONFIG_PATH, HOME } = process.env;
  Object.assign(process.env, { TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: "nodejs22.x" });
  try {
    const { default: packaged } = await import("@sparticuz/chromium");
    const path = await packaged.executablePath();
    const libraries = [LD_LIBRARY_PATH, join(folder, "al2023", "lib")].filter(Boolean).join(":");
    return { path, env: { LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: join(folder, "fonts"), HOME: folder } };
  } finally {
    restore({ ...before, LD_LIBRARY_PATH, FONTCONFIG_PATH, HOME });
  }
}

function restore(variables: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** Starts a headless Chromium. @throws Error naming how to get one, when there is none */
export async function launchBrowser(): Promise<Browser> {
  const { path, env } = await findChromium();
  return chromium.launch({
    executablePath: path,
    env: { ...(process.env as Record<string, string>), ...env },
    // Containers run as root, which Chromium's sandbox refuses.
    args: ["--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage"],
  });
}
