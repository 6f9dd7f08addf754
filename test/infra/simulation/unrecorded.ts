/** A permission that no recorded call uses, and why it is given all the same. */
export interface Unrecorded {
  /** Role: `data/EtlRole`. */
  readonly by: RegExp;
  readonly action: RegExp;
  /** @default any */
  readonly resource?: RegExp;
  readonly reason: string;
}

const functions = /^(data|serving|model|operations)\/(?!Roles|Retraining|Network|Scheduler)\w+Role$/;

const machines = /^(model\/RetrainingRole|serving\/PrivacyRequestsRole)$/;

export const unrecorded: readonly Unrecorded[] = [
  {
    by: functions,
    action: /^logs:(CreateLogStream|PutLogEvents)$/,
    reason: "Lambda writes the function's log in its name",
  },
  { by: functions, action: /^xray:/, reason: "Lambda sends the function's traces in its name" },
  { by: functions, action: /^ec2:/, reason: "Lambda makes the function's network interfaces in its name" },
  {
    by: /^(data\/Etl|serving\/Recent)Role$/,
    action: /^kinesis:/,
    reason: "Lambda reads the stream in the function's name",
  },
  {
    by: /^(data\/Etl|serving\/Recent)Role$/,
    action: /^kms:Decrypt$/,
    reason: "Lambda decrypts the stream's records in the function's name",
  },
  {
    by: /^data\/EtlRole$/,
    action: /^s3:(PutObject|ListBucket)$/,
    resource: /lakeraw\w+(\/aws\/lambda\/\*)?$/,
    reason: "Lambda keeps what could not be processed in the function's name",
  },
  {
    by: /^serving\/RecommendRole$/,
    action: /^(s3:GetObject|kms:Decrypt)$/,
    reason: "The popular list is read from the lake only while the cache is away",
  },
  {
    by: /^serving\/PublishRole$/,
    action: /^s3:DeleteObject$/,
    reason: "Only of what an earlier publication of the run noted",
  },
  {
    by: machines,
    action: /^lambda:InvokeFunction$/,
    resource: /:\*$/,
    reason: "Versions and aliases of the functions that it calls anyway",
  },
  {
    by: /^data\/EtlRole$/,
    action: /^s3:PutObject$/,
    resource: /\/quarantine\/\*$/,
    reason: "Only of records that cannot be read",
  },
  {
    by: /^model\/PrepareRunRole$/,
    action: /^servicequotas:ListServiceQuotas$/,
    reason: "Asked only where a GPU or spot is configured",
  },
  {
    by: /Role$/,
    action: /^s3:ListBucket$/,
    reason: "Makes S3 say of a missing object that there is none, rather than that access is denied",
  },
  {
    by: /^model\/RegisterRole$/,
    action: /^(ecr:|kms:Decrypt|s3:GetObject)/,
    reason: "The registry looks at model and image in the caller's name",
  },
  {
    by: /^model\/RegisterRole$/,
    action: /^sagemaker:CreateModelPackage$/,
    resource: /model-package-group/,
    reason: "Asked for of the group, too",
  },
  {
    by: /^model\/GateRole$/,
    action: /^(s3:GetObject|kms:Decrypt)$/,
    resource: /evaluation\.json$/,
    reason: "The champion's evaluation, once there is a champion",
  },
  {
    by: /^(data|serving|model)\/HooksHooksRole$/,
    action: /^s3:DeleteObjectVersion$/,
    reason: "A bucket that once kept versions has some",
  },
  {
    by: /^model\/Roles/,
    action: /^(ecr|logs|cloudwatch):/,
    reason: "SageMaker pulls the image and reports in the job's name",
  },
  {
    by: /^model\/Roles/,
    action: /^kms:(Encrypt|DescribeKey|CreateGrant)$/,
    reason: "SageMaker lays the volume under the key",
  },
  { by: /^model\/Roles/, action: /^s3:AbortMultipartUpload$/, reason: "SageMaker uploads large files in parts" },
  {
    by: /^model\/RolesTrain$/,
    action: /^s3:/,
    resource: /checkpoints/,
    reason: "Only spot training keeps checkpoints",
  },
  { by: machines, action: /^logs:/, reason: "Step Functions delivers the machine's log" },
  { by: machines, action: /^xray:/, reason: "Step Functions sends the machine's traces" },
  {
    by: /^model\/RetrainingRole$/,
    action: /^sagemaker:ListTags$/,
    reason: "Step Functions asks for the tags of what it starts",
  },
  {
    by: /^model\/RetrainingRole$/,
    action: /^sagemaker:/,
    resource: /(training|tuning)-job\/.*-(train|tune)-\?+$/,
    reason: "Further attempts, after spot or a GPU had no room",
  },
  { by: /Schedule/, action: /^states:StartExecution$/, reason: "EventBridge Scheduler starts the run" },
  {
    by: /^serving\/SchedulerRole$/,
    action: /^lambda:InvokeFunction$/,
    reason: "EventBridge Scheduler has what serves kept",
  },
  {
    by: /^data\/EraseRole$/,
    action: /^s3:(GetObjectVersion|DeleteObjectVersion|DeleteObject)$/,
    reason: "Only where a bucket keeps versions, or an object goes as a whole",
  },
  {
    by: /^data\/EraseRole$/,
    action: /^(s3:(GetObject|PutObject)|kms:(Decrypt|GenerateDataKey))$/,
    resource: /\/(aws\/lambda|quarantine|raw|releases|runs|clean|privacy|features|feature-store)\/|:key\//,
    reason: "Of a zone that held nothing of the listener, or none of whose objects was due",
  },
  {
    by: /^data\/ExportRole$/,
    action: /^s3:GetObject$/,
    resource: /clean\/events/,
    reason: "Only of days that Postgres has let go",
  },
  {
    by: /^serving\/PrivacyRole$/,
    action: /^(s3:DeleteObject|s3:GetObject)$/,
    reason: "A request that could not be begun; an export, by the link that is signed in the function's name",
  },
  { by: /FlowLog/, action: /^logs:/, reason: "EC2 writes the flow log" },
];
