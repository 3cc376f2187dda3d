import { floorTo, minute, parseInstant, type Instant } from '@torghut/domain';
import * as z from 'zod';

/** Input of every scheduled function: the scheduled time, which names its window whatever the time of delivery. */
export const scheduleInput = z
  .strictObject({ scheduledFor: z.string() })
  .transform(({ scheduledFor }, context): { readonly scheduledFor: Instant } => {
    try {
      return { scheduledFor: floorTo(parseInstant(scheduledFor), minute) };
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message, path: ['scheduledFor'] });
      return z.NEVER;
    }
  });
