/**
 * AWS accounts that hold the Deep Learning Container repositories, by region. CDK's own table lacks several of these regions.
 * Source: https://github.com/aws/deep-learning-containers, docs/reference/region_availability.md (August 2026).
 */
const common = "763104351884";
export const imageAccounts: Readonly<Record<string, string>> = {
  "us-east-1": common,
  "us-east-2": common,
  "us-west-1": common,
  "us-west-2": common,
  "ca-central-1": common,
  "sa-east-1": common,
  "eu-central-1": common,
  "eu-west-1": common,
  "eu-west-2": common,
  "eu-west-3": common,
  "eu-north-1": common,
  "ap-south-1": common,
  "ap-southeast-1": common,
  "ap-southeast-2": common,
  "ap-northeast-1": common,
  "ap-northeast-2": common,
  "af-south-1": "626614931356",
  "ap-east-1": "871362719292",
  "ap-east-2": "975050140332",
  "ap-northeast-3": "364406365360",
  "ap-south-2": "772153158452",
  "ap-southeast-3": "907027046896",
  "ap-southeast-4": "457447274322",
  "ap-southeast-5": "550225433462",
  "ap-southeast-6": "633930458069",
  "ap-southeast-7": "590183813437",
  "ca-west-1": "204538143572",
  "eu-central-2": "380420809688",
  "eu-south-1": "692866216735",
  "eu-south-2": "503227376785",
  "il-central-1": "780543022126",
  "me-central-1": "914824155844",
  "me-south-1": "217643126080",
  "mx-central-1": "637423239942",
};

/** Repository of the PyTorch containers. Name of the current line; `pytorch-training` and `-inference` no longer receive patches. */
export const imageRepository = "pytorch";

/**
 * Tags of one release, so that training and scoring compute alike. AWS patches them until 2027-07-20. They carry PyTorch,
 * NumPy and PyArrow, so that a job installs nothing and needs no network.
 */
export const imageTags = {
  gpu: "2.13-cu133-amzn2023-sagemaker",
  cpu: "2.13-cpu-amzn2023-sagemaker",
} as const;
