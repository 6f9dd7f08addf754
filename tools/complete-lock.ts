import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";

/** An entry of `packages` in package-lock.json, as far as it matters here. */
interface Entry {
  version?: string;
  dev?: boolean;
  license?: string;
  optional?: boolean;
  cpu?: string[];
  libc?: string[];
  os?: string[];
  engines?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** `@swc/core-linux-arm64-gnu`: a build of a package for one platform. */
const platform =
  /(?<os>aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(?<cpu>arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|x64)(-(?<abi>[a-z]+))?$/;

/**
 * The entries that a lock lacks for builds of other platforms. A mirror of the registry may not carry them, and then `npm install` leaves them
 * out, after which `npm ci` refuses the lock everywhere.
 * @throws Error naming a package whose platform its name does not tell
 */
export function missingPlatforms(packages: Readonly<Record<string, Entry>>): Record<string, Entry> {
  const missing: Record<string, Entry> = {};
  for (const [path, owner] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      if (packages[`node_modules/${name}`] || packages[`${path}/node_modules/${name}`]) continue;
      const { os, cpu, abi } = platform.exec(name)?.groups ?? {};
      if (!os || !cpu)
        throw new Error(`${path} wants ${name}, which the lock lacks and whose platform is not in its name`);
      missing[`node_modules/${name}`] = {
        version: version.replace(/^[\^~=]/, ""),
        cpu: [cpu],
        ...(owner.dev && { dev: true }),
        ...(os === "linux" && abi && { libc: [abi.startsWith("musl") ? "musl" : "glibc"] }),
        ...(owner.license && { license: owner.license }),
        optional: true,
        os: [os],
        ...(owner.engines && { engines: owner.engines }),
      };
    }
  }
  return missing;
}

function main(): void {
  new Command("npm run lock --")
    .description("Names in package-lock.json the builds for other platforms that the registry in use did not serve.")
    .parse();
  const file = join(__dirname, "..", "package-lock.json");
  const lock = JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, Entry> };
  const missing = missingPlatforms(lock.packages);
  const packages = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`);
  console.log(`${Object.keys(missing).length} packages added`);
}

if (require.main === module) main();
