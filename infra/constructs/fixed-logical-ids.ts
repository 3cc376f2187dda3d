import { CfnResource } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Names every resource in a construct by `name` and its place inside the construct: wherever the construct itself goes,
 * they stay. Call it when the construct is complete; what is added later keeps the library's names.
 */
export const fixLogicalIds = (construct: IConstruct, name: string): void => {
  const depth = construct.node.scopes.length;
  for (const resource of construct.node.findAll()) {
    if (!CfnResource.isCfnResource(resource)) continue;
    const inside = resource.node.scopes.slice(depth).map(({ node }) => node.id.replaceAll(/[^A-Za-z0-9]/g, ''));
    // The library's name for the resource that a construct is about.
    resource.overrideLogicalId([name, ...inside.filter((id) => id !== 'Resource' && id !== 'Default')].join(''));
  }
};
