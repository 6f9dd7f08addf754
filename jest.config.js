/** Packages that ship only ES modules, which Jest must turn into CommonJS. */
const esmOnly = [
  "@actions/expressions",
  "@actions/workflow-parser",
  "hyparquet",
  "hyparquet-writer",
  "hysnappy",
  "fzstd",
  "aws4fetch",
  "kdbush",
  "geokdbush",
  "tinyqueue",
  "zod-openapi",
];

const common = {
  testEnvironment: "node",
  setupFiles: ["<rootDir>/test/seed.cjs"],
  transform: {
    "\\.sql$": "<rootDir>/test/text-transform.cjs",
    "\\.[jt]sx?$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join("|")})/)`],
  // Their packages name a way in for `import` alone.
  moduleNameMapper: {
    "^@actions/(expressions|workflow-parser)((?:/.*)?)$": "<rootDir>/node_modules/@actions/$1/dist$2",
  },
  modulePathIgnorePatterns: ["<rootDir>/.segue/", "<rootDir>/cdk.out/"],
};

const project = (name) => ({ ...common, displayName: name, testMatch: [`<rootDir>/test/${name}/**/*.test.ts`] });

/** @type {import("jest").Config} */
module.exports = { projects: ["unit", "infra", "integration"].map(project), testTimeout: 60_000 };
