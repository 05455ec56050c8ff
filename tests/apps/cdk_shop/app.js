// The cloud assembly in cdk.out/ is made of this by `python tests/apps/generate.py`.
const cdk = require("aws-cdk-lib");
const { aws_dynamodb: dynamodb, aws_events: events, aws_events_targets: targets, aws_lambda: lambda, aws_s3: s3 } = cdk;
const { aws_lambda_event_sources: sources, aws_s3_notifications: notifications, aws_sns: sns, aws_sqs: sqs } = cdk;
const { aws_apigatewayv2: apigateway, aws_apigatewayv2_integrations: integrations, aws_logs: logs } = cdk;
const { aws_kinesis: kinesis, aws_sns_subscriptions: subscriptions } = cdk;

function python(scope, id, directory, props = {}) {
  return new lambda.Function(scope, id, {
    runtime: lambda.Runtime.PYTHON_3_12,
    handler: "index.handler",
    code: lambda.Code.fromAsset(`lambda/${directory}`),
    ...props,
  });
}

// What others build on: it exports the table and the topic.
class Foundation extends cdk.Stack {
  constructor(scope, id, props) {
    super(scope, id, props);
    this.orders = new dynamodb.TableV2(this, "Orders", {
      partitionKey: { name: "id", type: dynamodb.AttributeType.STRING },
      dynamoStream: dynamodb.StreamViewType.NEW_IMAGE,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    this.placed = new sns.Topic(this, "Placed");
    this.views = new kinesis.Stream(this, "Views", { shardCount: 1 });
  }
}

// Reports live in a stack of their own inside the shop's stack.
class Reports extends cdk.NestedStack {
  constructor(scope, id, { shipments }) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, "Archive", {
      removalPolicy: cdk.RemovalPolicy.DESTROY,
      autoDeleteObjects: true,
    });
    const report = python(this, "Report", "report", { environment: { QUEUE: shipments.queueUrl } });
    shipments.grantSendMessages(report);
    this.bucket.addEventNotification(
      s3.EventType.OBJECT_CREATED,
      new notifications.LambdaDestination(report),
      { suffix: ".csv" },
    );
  }
}

class Shop extends cdk.Stack {
  constructor(scope, id, { foundation, ...props }) {
    super(scope, id, props);
    const { orders, placed, views } = foundation;
    const shipments = new sqs.Queue(this, "Shipments");
    const place = python(this, "Place", "place", { environment: { TABLE: orders.tableName, TOPIC: placed.topicArn } });
    orders.grantReadWriteData(place);
    placed.grantPublish(place);

    const bill = python(this, "Bill", "bill", { logRetention: logs.RetentionDays.ONE_WEEK });
    placed.addSubscription(new subscriptions.LambdaSubscription(bill));
    bill.addEventSource(new sources.SqsEventSource(shipments, { batchSize: 2, reportBatchItemFailures: true }));
    bill.addEventSource(new sources.DynamoEventSource(orders, { startingPosition: lambda.StartingPosition.LATEST }));
    bill.addEventSource(new sources.KinesisEventSource(views, { startingPosition: lambda.StartingPosition.TRIM_HORIZON }));
    new events.Rule(this, "Shipped", {
      eventPattern: { source: ["shop"] },
      targets: [new targets.LambdaFunction(bill)],
    });

    const api = new apigateway.HttpApi(this, "Api");
    api.addRoutes({
      path: "/orders",
      methods: [apigateway.HttpMethod.POST],
      integration: new integrations.HttpLambdaIntegration("PlaceIntegration", place),
    });
    const reports = new Reports(this, "Reports", { shipments });
    new cdk.CfnOutput(this, "Url", { value: api.apiEndpoint });
    new cdk.CfnOutput(this, "ArchiveName", { value: reports.bucket.bucketName });
  }
}

const app = new cdk.App();
const foundation = new Foundation(app, "Foundation");
new Shop(app, "Shop", { foundation });
