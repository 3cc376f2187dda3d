import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { MachineError } from '../../infra/local/machine-error.ts';
import { awsClients, type AwsEndpoint } from './aws.ts';

const required = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new MachineError(`--endpoint: expected ${name} in the environment, found nothing`);
  return value;
};

/**
 * An endpoint that somebody else runs, with the credentials, region and account (AWS_ACCOUNT_ID) of the environment.
 * @throws MachineError when one of them is missing or the endpoint does not answer
 */
export const externalEndpoint = async (url: string): Promise<AwsEndpoint> => {
  const sessionToken = process.env['AWS_SESSION_TOKEN'];
  const endpoint: AwsEndpoint = {
    url,
    region: required('AWS_REGION'),
    account: required('AWS_ACCOUNT_ID'),
    credentials: {
      accessKeyId: required('AWS_ACCESS_KEY_ID'),
      secretAccessKey: required('AWS_SECRET_ACCESS_KEY'),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    certificateFile: process.env['AWS_CA_BUNDLE'] ?? null,
  };
  try {
    await awsClients(endpoint).cloudFormation.send(new DescribeStacksCommand());
  } catch (error) {
    throw new MachineError(`--endpoint: expected CloudFormation at ${url}, found ${(error as Error).message}`);
  }
  return endpoint;
};
