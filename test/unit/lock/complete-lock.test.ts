import lock from "../../../package-lock.json";
import { missingPlatforms } from "../../../tools/complete-lock";

test("the lock names every platform's builds, so that `npm ci` takes it anywhere", () => {
  expect(Object.keys(missingPlatforms(lock.packages))).toEqual([]);
});

test("a build that the lock lacks is named with its platform, one that it has is left alone", () => {
  const owner = {
    dev: true,
    license: "MIT",
    optionalDependencies: {
      "@x/y-linux-arm64-musl": "1.2.3",
      "@x/y-darwin-x64": "^1.2.3",
      "@x/y-win32-x64-msvc": "1.2.3",
    },
  };
  expect(missingPlatforms({ "node_modules/y": owner, "node_modules/@x/y-win32-x64-msvc": {} })).toEqual({
    "node_modules/@x/y-linux-arm64-musl": {
      version: "1.2.3",
      cpu: ["arm64"],
      dev: true,
      libc: ["musl"],
      license: "MIT",
      optional: true,
      os: ["linux"],
    },
    "node_modules/@x/y-darwin-x64": {
      version: "1.2.3",
      cpu: ["x64"],
      dev: true,
      license: "MIT",
      optional: true,
      os: ["darwin"],
    },
  });
});

test("a package whose name tells no platform is not guessed", () => {
  expect(() => missingPlatforms({ "node_modules/y": { optionalDependencies: { fsevents: "2.0.0" } } })).toThrow(
    "node_modules/y wants fsevents",
  );
});
