import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { type FunctionName, functionNames } from '@torghut/domain';
import { functionLogicalId } from '../../../constructs/logical-id.ts';
import { ask } from '../aws.ts';
import { type Check, failed, ok, type Sources } from '../check.ts';
import { resourceOf } from '../deployment.ts';
import { tradingStatus } from './trading-status.ts';

interface DeployedCode {
  readonly name: FunctionName;
  /** Null when the function is not deployed or names no code. */
  readonly codeHash: string | null;
}

const deployedCode = async ({ aws, deployment }: Sources, name: FunctionName): Promise<DeployedCode> => {
  const resource = resourceOf(deployment, 'runtime', functionLogicalId(name));
  if (resource === undefined) return { name, codeHash: null };
  const { Environment } = await ask(`lambda:GetFunctionConfiguration of ${name}`, () =>
    aws.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: resource.physicalId })),
  );
  return { name, codeHash: Environment?.Variables?.['TORGHUT_CODE_HASH'] ?? null };
};

const short = (hash: string | null): string => (hash === null ? 'none' : hash.slice(0, 12));

/** All functions run one and the same code, the API says so too, and it is the code that was meant. */
export const codeHash: Check = async (sources) => {
  const functions = await Promise.all(functionNames.map((name) => deployedCode(sources, name)));
  const { code_hash: reported } = await tradingStatus(sources.api);
  const expected = sources.expectedCodeHash ?? reported;
  const found = {
    value: short(reported),
    limit: `${short(expected)} in the API and all ${functions.length} functions`,
    details:
      sources.expectedCodeHash === null
        ? ['compared with each other; --expect-code-hash names the code that is meant']
        : [],
  };
  if (expected === null) return failed('the API does not say which code it runs', found);
  const reasons = [
    ...(reported === expected ? [] : [`the API runs ${short(reported)}`]),
    ...functions
      .filter(({ codeHash: hash }) => hash !== expected)
      .map(({ name, codeHash: hash }) => `${name} runs ${short(hash)}`),
  ];
  if (reasons.length > 0) return failed(`${reasons.join('; ')}; deploy again`, found);
  return ok(found);
};
