"""
The properties of the resource types that a local stage makes, as CloudFormation's resource schemas name them.

CloudFormation refuses a property that it does not know; so does the deployer, since a misspelt one would otherwise
be lost without a word.
"""

from __future__ import annotations

from collections.abc import Iterable

PROPERTIES: dict[str, str] = {
    "AWS::ApiGateway::Account": "CloudWatchRoleArn",
    "AWS::ApiGateway::ApiKey": "CustomerId Description Enabled GenerateDistinctId Name StageKeys Tags Value",
    "AWS::ApiGateway::Authorizer": (
        "AuthType AuthorizerCredentials AuthorizerResultTtlInSeconds AuthorizerUri IdentitySource "
        "IdentityValidationExpression Name ProviderARNs RestApiId Type"
    ),
    "AWS::ApiGateway::BasePathMapping": "BasePath DomainName RestApiId Stage",
    "AWS::ApiGateway::Deployment": "DeploymentCanarySettings Description RestApiId StageDescription StageName",
    "AWS::ApiGateway::DomainName": (
        "CertificateArn DomainName EndpointAccessMode EndpointConfiguration MutualTlsAuthentication "
        "OwnershipVerificationCertificateArn RegionalCertificateArn RoutingMode SecurityPolicy Tags"
    ),
    "AWS::ApiGateway::GatewayResponse": "ResponseParameters ResponseTemplates ResponseType RestApiId StatusCode",
    "AWS::ApiGateway::Method": (
        "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod Integration MethodResponses "
        "OperationName RequestModels RequestParameters RequestValidatorId ResourceId RestApiId"
    ),
    "AWS::ApiGateway::Model": "ContentType Description Name RestApiId Schema",
    "AWS::ApiGateway::RequestValidator": "Name RestApiId ValidateRequestBody ValidateRequestParameters",
    "AWS::ApiGateway::Resource": "ParentId PathPart RestApiId",
    "AWS::ApiGateway::RestApi": (
        "ApiKeySourceType BinaryMediaTypes Body BodyS3Location CloneFrom Description DisableExecuteApiEndpoint "
        "EndpointAccessMode EndpointConfiguration FailOnWarnings MinimumCompressionSize Mode Name Parameters Policy "
        "SecurityPolicy Tags"
    ),
    "AWS::ApiGateway::Stage": (
        "AccessLogSetting CacheClusterEnabled CacheClusterSize CanarySetting ClientCertificateId DeploymentId "
        "Description DocumentationVersion MethodSettings RestApiId StageName Tags TracingEnabled Variables"
    ),
    "AWS::ApiGateway::UsagePlan": "ApiStages Description Quota Tags Throttle UsagePlanName",
    "AWS::ApiGateway::UsagePlanKey": "KeyId KeyType UsagePlanId",
    "AWS::ApiGatewayV2::Api": (
        "ApiKeySelectionExpression BasePath Body BodyS3Location CorsConfiguration CredentialsArn Description "
        "DisableExecuteApiEndpoint DisableSchemaValidation FailOnWarnings IpAddressType Name ProtocolType "
        "RouteKey RouteSelectionExpression Tags Target Version"
    ),
    "AWS::ApiGatewayV2::Authorizer": (
        "ApiId AuthorizerCredentialsArn AuthorizerPayloadFormatVersion AuthorizerResultTtlInSeconds AuthorizerType "
        "AuthorizerUri EnableSimpleResponses IdentitySource IdentityValidationExpression JwtConfiguration Name"
    ),
    "AWS::ApiGatewayV2::Deployment": "ApiId Description StageName",
    "AWS::ApiGatewayV2::Integration": (
        "ApiId ConnectionId ConnectionType ContentHandlingStrategy CredentialsArn Description "
        "IntegrationMethod IntegrationSubtype IntegrationType IntegrationUri PassthroughBehavior "
        "PayloadFormatVersion RequestParameters RequestTemplates ResponseParameters "
        "TemplateSelectionExpression TimeoutInMillis TlsConfig"
    ),
    "AWS::ApiGatewayV2::Route": (
        "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression "
        "OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target"
    ),
    "AWS::ApiGatewayV2::Stage": (
        "AccessLogSettings ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId Description "
        "RouteSettings StageName StageVariables Tags"
    ),
    "AWS::CloudFormation::Stack": (
        "Capabilities Description DisableRollback EnableTerminationProtection NotificationARNs Parameters RoleARN StackName "
        "StackPolicyBody StackPolicyURL Tags TemplateBody TemplateURL TimeoutInMinutes"
    ),
    "AWS::DynamoDB::GlobalTable": (
        "AttributeDefinitions BillingMode GlobalSecondaryIndexes GlobalTableSourceArn GlobalTableWitnesses KeySchema "
        "LocalSecondaryIndexes MultiRegionConsistency ReadOnDemandThroughputSettings ReadProvisionedThroughputSettings Replicas "
        "SSESpecification StreamSpecification TableName TimeToLiveSpecification WarmThroughput WriteOnDemandThroughputSettings "
        "WriteProvisionedThroughputSettings"
    ),
    "AWS::Cognito::UserPool": (
        "AccountRecoverySetting AdminCreateUserConfig AliasAttributes AutoVerifiedAttributes DeletionProtection "
        "DeviceConfiguration EmailAuthenticationMessage EmailAuthenticationSubject EmailConfiguration "
        "EmailVerificationMessage EmailVerificationSubject EnabledMfas LambdaConfig MfaConfiguration Policies "
        "Schema SmsAuthenticationMessage SmsConfiguration SmsVerificationMessage UserAttributeUpdateSettings "
        "UserPoolAddOns UserPoolName UserPoolTags UserPoolTier UsernameAttributes UsernameConfiguration "
        "VerificationMessageTemplate WebAuthnFactorConfiguration WebAuthnRelyingPartyID WebAuthnUserVerification"
    ),
    "AWS::Cognito::UserPoolClient": (
        "AccessTokenValidity AllowedOAuthFlows AllowedOAuthFlowsUserPoolClient AllowedOAuthScopes "
        "AnalyticsConfiguration AuthSessionValidity CallbackURLs ClientName DefaultRedirectURI "
        "EnablePropagateAdditionalUserContextData EnableTokenRevocation ExplicitAuthFlows GenerateSecret "
        "IdTokenValidity LogoutURLs PreventUserExistenceErrors ReadAttributes RefreshTokenRotation "
        "RefreshTokenValidity SupportedIdentityProviders TokenValidityUnits UserPoolId WriteAttributes"
    ),
    "AWS::Cognito::UserPoolGroup": "Description GroupName Precedence RoleArn UserPoolId",
    "AWS::DynamoDB::Table": (
        "AttributeDefinitions BillingMode ContributorInsightsSpecification DeletionProtectionEnabled "
        "GlobalSecondaryIndexes ImportSourceSpecification KeySchema KinesisStreamSpecification "
        "LocalSecondaryIndexes OnDemandThroughput PointInTimeRecoverySpecification ProvisionedThroughput "
        "ResourcePolicy SSESpecification StreamSpecification TableClass TableName Tags "
        "TimeToLiveSpecification VectorIndexes WarmThroughput"
    ),
    "AWS::Events::ApiDestination": (
        "ConnectionArn Description HttpMethod InvocationEndpoint InvocationRateLimitPerSecond Name"
    ),
    "AWS::Events::Archive": "ArchiveName Description EventPattern KmsKeyIdentifier RetentionDays SourceArn",
    "AWS::Events::Connection": (
        "AuthParameters AuthorizationType Description InvocationConnectivityParameters KmsKeyIdentifier Name"
    ),
    "AWS::Events::EventBus": (
        "DeadLetterConfig Description EventSourceName KmsKeyIdentifier LogConfig Name Policy Tags"
    ),
    "AWS::Events::EventBusPolicy": "Action Condition EventBusName Principal Statement StatementId",
    "AWS::Events::Rule": ("Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags Targets"),
    "AWS::IAM::ManagedPolicy": "Description Groups ManagedPolicyName Path PolicyDocument Roles Users",
    "AWS::IAM::Policy": "Groups PolicyDocument PolicyName Roles Users",
    "AWS::IAM::Role": (
        "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary "
        "Policies RoleName Tags"
    ),
    "AWS::IAM::RolePolicy": "PolicyDocument PolicyName RoleName",
    "AWS::Kinesis::Stream": (
        "DesiredShardLevelMetrics MaxRecordSizeInKiB Name RecordDistributionStrategy RetentionPeriodHours "
        "ShardCount StreamEncryption StreamModeDetails Tags WarmThroughputMiBps"
    ),
    "AWS::Kinesis::StreamConsumer": "ConsumerName StreamARN Tags",
    "AWS::Lambda::Alias": ("Description FunctionName FunctionVersion Name ProvisionedConcurrencyConfig RoutingConfig"),
    "AWS::Lambda::EventInvokeConfig": (
        "DestinationConfig FunctionName MaximumEventAgeInSeconds MaximumRetryAttempts Qualifier"
    ),
    "AWS::Lambda::EventSourceMapping": (
        "AmazonManagedKafkaEventSourceConfig BatchSize BisectBatchOnFunctionError DestinationConfig "
        "DocumentDBEventSourceConfig Enabled EventSourceArn FilterCriteria FunctionName FunctionResponseTypes "
        "KmsKeyArn LoggingConfig MaximumBatchingWindowInSeconds MaximumRecordAgeInSeconds "
        "MaximumRetryAttempts MetricsConfig ParallelizationFactor ProvisionedPollerConfig Queues "
        "ScalingConfig SelfManagedEventSource SelfManagedKafkaEventSourceConfig SourceAccessConfigurations "
        "StartingPosition StartingPositionTimestamp Tags Topics TumblingWindowInSeconds"
    ),
    "AWS::Lambda::Function": (
        "Architectures CapacityProviderConfig Code CodeSigningConfigArn DeadLetterConfig Description "
        "DurableConfig Environment EphemeralStorage FileSystemConfigs FunctionName FunctionScalingConfig "
        "Handler ImageConfig KmsKeyArn Layers LoggingConfig MemorySize PackageType PublishToLatestPublished "
        "RecursiveLoop ReservedConcurrentExecutions Role Runtime RuntimeManagementConfig SnapStart Tags "
        "TenancyConfig Timeout TracingConfig VpcConfig"
    ),
    "AWS::Lambda::LayerVersion": (
        "CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"
    ),
    "AWS::Lambda::Permission": (
        "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal "
        "PrincipalOrgID SourceAccount SourceArn"
    ),
    "AWS::Lambda::Url": "AuthType Cors InvokeMode Qualifier TargetFunctionArn",
    "AWS::Lambda::Version": (
        "CodeSha256 Description FunctionName FunctionScalingConfig ProvisionedConcurrencyConfig RuntimePolicy"
    ),
    "AWS::Logs::LogGroup": (
        "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled FieldIndexPolicies "
        "KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags"
    ),
    "AWS::Logs::SubscriptionFilter": (
        "ApplyOnTransformedLogs DestinationArn Distribution EmitSystemFields FieldSelectionCriteria FilterName "
        "FilterPattern LogGroupName RoleArn"
    ),
    "AWS::Pipes::Pipe": (
        "Description DesiredState Enrichment EnrichmentParameters KmsKeyIdentifier LogConfiguration Name RoleArn Source "
        "SourceParameters Tags Target TargetParameters"
    ),
    "AWS::S3::BucketPolicy": "Bucket PolicyDocument",
    "AWS::S3::Bucket": (
        "AbacStatus AccelerateConfiguration AccessControl AnalyticsConfigurations BucketEncryption BucketName "
        "BucketNamePrefix BucketNamespace CorsConfiguration IntelligentTieringConfigurations "
        "InventoryConfigurations LifecycleConfiguration LoggingConfiguration MetadataConfiguration "
        "MetadataTableConfiguration MetricsConfigurations NotificationConfiguration ObjectLockConfiguration "
        "ObjectLockEnabled OwnershipControls PublicAccessBlockConfiguration ReplicationConfiguration Tags "
        "VersioningConfiguration WebsiteConfiguration"
    ),
    "AWS::Scheduler::Schedule": (
        "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression ScheduleExpressionTimezone "
        "StartDate State Target"
    ),
    "AWS::Scheduler::ScheduleGroup": "Name Tags",
    "AWS::SNS::Subscription": (
        "DeliveryPolicy Endpoint FilterPolicy FilterPolicyScope Protocol RawMessageDelivery RedrivePolicy "
        "Region ReplayPolicy SubscriptionRoleArn TopicArn"
    ),
    "AWS::SNS::Topic": (
        "ArchivePolicy ContentBasedDeduplication DataProtectionPolicy DeliveryStatusLogging DisplayName "
        "FifoThroughputScope FifoTopic KmsMasterKeyId MaximumMessageSize SignatureVersion Subscription Tags "
        "TopicName TracingConfig"
    ),
    "AWS::SNS::TopicPolicy": "PolicyDocument Topics",
    "AWS::SQS::Queue": (
        "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit "
        "KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod QueueName "
        "ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled Tags "
        "VisibilityTimeout"
    ),
    "AWS::SQS::QueuePolicy": "PolicyDocument Queues",
    "AWS::SSM::Parameter": "AllowedPattern DataType Description Name Policies Tags Tier Type Value",
    "AWS::SecretsManager::Secret": (
        "Description GenerateSecretString KmsKeyId Name ReplicaRegions SecretString Tags Type"
    ),
}
"""Type to its properties, separated by blanks; read-only ones are left out."""


def unknown_properties(resource_type: str, given: Iterable[str]) -> list[str]:
    """
    Those of `given` that the type does not have; none for a type that is not listed.

    >>> unknown_properties("AWS::SQS::Queue", ["VisibilityTimout", "QueueName"])
    ['VisibilityTimout']
    """
    known = PROPERTIES.get(resource_type)
    return [] if known is None else [name for name in given if name not in known.split()]
