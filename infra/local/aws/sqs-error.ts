/**
 * Errors of SQS as its JSON protocol names them. `queryCode` is the older code that SDKs read from the header
 * `x-amzn-query-error`. Source: the SQS API reference and the service model of the SDK.
 */
const sqsErrors = {
  QueueDoesNotExist: { queryCode: 'AWS.SimpleQueueService.NonExistentQueue' },
  ReceiptHandleIsInvalid: { queryCode: 'ReceiptHandleIsInvalid' },
  MessageNotInflight: { queryCode: 'AWS.SimpleQueueService.MessageNotInflight' },
  InvalidMessageContents: { queryCode: 'InvalidMessageContents' },
  InvalidParameterValue: { queryCode: 'InvalidParameterValue' },
  MissingParameter: { queryCode: 'MissingParameter' },
  EmptyBatchRequest: { queryCode: 'AWS.SimpleQueueService.EmptyBatchRequest' },
  TooManyEntriesInBatchRequest: { queryCode: 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest' },
  BatchEntryIdsNotDistinct: { queryCode: 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct' },
  BatchRequestTooLong: { queryCode: 'AWS.SimpleQueueService.BatchRequestTooLong' },
  InvalidBatchEntryId: { queryCode: 'AWS.SimpleQueueService.InvalidBatchEntryId' },
} as const;
export type SqsErrorCode = keyof typeof sqsErrors;

/** A refusal that the caller of SQS is to blame for (HTTP 400). */
export class SqsError extends Error {
  override readonly name = 'SqsError';
  readonly code: SqsErrorCode;

  constructor(code: SqsErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  get queryCode(): string {
    return sqsErrors[this.code].queryCode;
  }
}
