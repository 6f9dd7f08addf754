/** What a setting's change did: `plan` and `account` are `in place`, or say what else. */
export interface Tried {
  readonly setting: string;
  readonly to: unknown;
  readonly plan: string;
  readonly account: string;
}

const inPlace = ({ plan, account }: Tried) => plan === "in place" && account === "in place";
const code = (text: string) => `\`${text}\``;

/** `docs/updates.md`. */
export function updatesPage(tried: readonly Tried[]): string {
  const rows = tried
    .filter((one) => !inPlace(one))
    .map(({ setting, to, plan, account }) => `| ${setting} | ${code(JSON.stringify(to))} | ${plan} | ${account} |`);
  const names = tried.filter(inPlace).map(({ setting }) => code(setting));
  return `# Updates

Every setting of \`config/\`, changed one after the other on an environment that is deployed and holds data: what \`npm run plan\` said before, and
what the emulated account then did. Written by \`npm run updates\`, and checked by the integration tests: nothing that the plan does not name is
replaced, and the data of what it does not name is still there after.

## Not in place

"Refused until named" holds data, or the VPC that stores are in: \`npm run deploy\` stops, until each is named with \`--allow-replacement\`. "In use" is what CloudFormation refuses, and \`npm run deploy\` with it, flag or no flag: a value that another stack imports. "Rolled back" is what came of it
where it was tried all the same: everything stayed as it was.

| setting | to | the plan | the account |
| ------- | -- | -------- | ----------- |
${rows.join("\n")}

## In place

${names.join(", ")}.
`;
}
