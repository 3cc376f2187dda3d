import { App, type AppProps, Validations } from 'aws-cdk-lib';
import { FAIL_SYNTH_ON_VALIDATION_ERRORS_CONTEXT } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

/**
 * An app whose synthesis fails on what the AwsSolutions and Serverless rules or the template validation find, but for
 * what is acknowledged with a reason.
 */
export const checkedApp = (props: AppProps): App => {
  const app = new App({
    ...props,
    // The CDK command offers to report findings itself, and then succeeds with errors among them.
    postCliContext: { [FAIL_SYNTH_ON_VALIDATION_ERRORS_CONTEXT]: true },
  });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  return app;
};
