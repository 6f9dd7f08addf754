import type { Config } from "jest";

/** Packages that ship only ES modules, which Jest must turn into CommonJS. */
const esmOnly = [
  "hyparquet",
  "hyparquet-writer",
  "hyparquet-compressors",
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
  transform: {
    "\\.sql$": "<rootDir>/test/text-transform.cjs",
    "\\.[jt]sx?$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join("|")})/)`],
} satisfies Config["projects"] extends (infer P)[] | undefined ? Partial<Exclude<P, string>> : never;

const config: Config = {
  projects: [
    { ...common, displayName: "unit", testMatch: ["<rootDir>/test/unit/**/*.test.ts"] },
    { ...common, displayName: "infra", testMatch: ["<rootDir>/test/infra/**/*.test.ts"] },
    { ...common, displayName: "integration", testMatch: ["<rootDir>/test/integration/**/*.test.ts"] },
  ],
  testTimeout: 60_000,
};
export default config;
