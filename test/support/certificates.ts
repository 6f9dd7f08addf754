import { generate } from "selfsigned";

/** What a server shows of itself, in PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** An authority of a test's own. */
export interface Authority {
  /** Its certificate in PEM, for those who are to trust it. */
  readonly cert: string;
  /** An identity for a host name, good for a day, or for the day before today. */
  issue(host: string, options?: { readonly expired?: boolean }): Promise<Identity>;
}

const DAY_MS = 86_400_000;
const curve = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;

export async function newAuthority(name = "Segue's tests"): Promise<Authority> {
  const { private: key, cert } = await generate([{ name: "commonName", value: name }], {
    ...curve,
    notBeforeDate: new Date(Date.now() - 3 * DAY_MS),
    notAfterDate: new Date(Date.now() + DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  return {
    cert,
    async issue(host, { expired = false } = {}) {
      const from = Date.now() - 2 * DAY_MS;
      const own = await generate([{ name: "commonName", value: host }], {
        ...curve,
        notBeforeDate: new Date(from),
        notAfterDate: new Date(from + (expired ? 1 : 3) * DAY_MS),
        extensions: [
          { name: "basicConstraints", cA: false },
          { name: "extKeyUsage", serverAuth: true },
          { name: "subjectAltName", altNames: [{ type: 2, value: host }] },
        ],
        ca: { key, cert },
      });
      return { key: own.private, cert: own.cert };
    },
  };
}
