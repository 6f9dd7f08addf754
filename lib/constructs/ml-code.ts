import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { AssetHashType, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";
import { filesUnder, tar } from "../archive";

/** The program that the training toolkit starts. */
export const trainProgram = "train.py";

/**
 * The Python code of `ml/` as one `.tar.gz`: CDK's own folder assets are .zip, which the training toolkit cannot open. Its
 * name is a digest of what is in it, so that the same code is the same object, from whatever machine.
 * @param requirements files of the folder with packages that the training toolkit is to install before it starts the program
 * @throws Error at synth when `ml/train.py` is missing
 */
export class MlCode extends Construct {
  /** The object, as an S3 URI. */
  readonly uri: string;
  /** Where SageMaker puts it when it is the channel `code`. */
  readonly submitDirectory: string;
  private readonly asset: Asset;

  constructor(scope: Construct, id: string, folder: string, requirements: readonly string[] = []) {
    super(scope, id);
    if (!existsSync(join(folder, trainProgram))) throw new Error(`${join(folder, trainProgram)} is missing`);
    const content = tar(
      folder,
      filesUnder(folder, (path) => /\.py$|(^|\/)serve\.sh$/.test(path) || requirements.includes(path)),
      // The toolkit looks for this name.
      requirements.length > 0 ? { "requirements.txt": requirements.map((path) => `-r ${path}\n`).join("") } : {},
    );
    const assetHash = createHash("sha256").update(content).digest("hex");
    const staging = mkdtempSync(join(tmpdir(), "segue-"));
    try {
      const path = join(staging, "ml.tar.gz");
      // Compressed bytes may differ between zlib versions; the name is of what they hold.
      writeFileSync(path, gzipSync(content));
      this.asset = new Asset(this, "Asset", { path, assetHash, assetHashType: AssetHashType.CUSTOM });
    } finally {
      rmSync(staging, { recursive: true });
    }
    this.uri = this.asset.s3ObjectUrl;
    this.submitDirectory = `/opt/ml/input/data/code/${this.asset.s3ObjectKey}`;
  }

  /** What a role needs to read this object, and no other of the bucket that all of the account's deployments share. */
  readStatements(): PolicyStatement[] {
    const bucket = Stack.of(this).formatArn({
      service: "s3",
      account: "",
      region: "",
      resource: this.asset.s3BucketName,
    });
    return [
      new PolicyStatement({ actions: ["s3:GetObject"], resources: [`${bucket}/${this.asset.s3ObjectKey}`] }),
      new PolicyStatement({
        actions: ["s3:ListBucket"],
        resources: [bucket],
        conditions: { StringEquals: { "s3:prefix": this.asset.s3ObjectKey } },
      }),
    ];
  }
}
