// The cloud assembly in cdk.out/ is made of this by `python tests/apps/generate.py`.
const cdk = require("aws-cdk-lib");
const { aws_lambda: lambda, aws_sqs: sqs } = cdk;

// One system, twice: each CDK stage has an assembly of its own inside that of the app.
class Environment extends cdk.Stage {
  constructor(scope, id) {
    super(scope, id);
    const stack = new cdk.Stack(this, "Greetings");
    new lambda.Function(stack, "Greet", {
      runtime: lambda.Runtime.PYTHON_3_12,
      handler: "greet.handler",
      code: lambda.Code.fromAsset("lambda"),
      environment: { WHERE: id },
    });
    // An id that CDK cannot shorten: two constructs whose ids differ in their path only.
    new sqs.Queue(new cdk.Stack(this, "Other"), "Jobs");
  }
}

const app = new cdk.App();
new Environment(app, "Beta");
new Environment(app, "Prod");
