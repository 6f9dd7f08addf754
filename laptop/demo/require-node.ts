/** Imported before all else: packages that need a newer Node fail in ways that do not say so. */
const needed = 20;
if (Number.parseInt(process.versions.node, 10) < needed) {
  process.stderr.write(
    `Node ${process.versions.node} is too old: Segue needs Node ${needed} or newer (https://nodejs.org)\n`,
  );
  process.exit(1);
}

// The AWS SDK would announce, in the midst of the demo, which Node its versions of next year need.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
