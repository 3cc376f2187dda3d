import type { DecimalText } from '../decimal.ts';
import type { NewYorkDate } from '../market/new-york.ts';

/** SEC section 31 fee, FINRA trading activity fee, consolidated audit trail fee: what the broker passes through. */
export const feeTypes = ['REG', 'TAF', 'CAT'] as const;
export type FeeType = (typeof feeTypes)[number];

export type FeeUnit = 'USD per million USD sold' | 'USD per share sold' | 'USD per share traded';

/** One rate in force on the New York trade dates `from` to `to`, both inclusive. */
export interface FeeRate {
  readonly type: FeeType;
  readonly from: NewYorkDate;
  readonly to: NewYorkDate;
  readonly rate: DecimalText;
  readonly unit: FeeUnit;
  /** Largest fee of one trade in USD. */
  readonly cap: DecimalText | null;
  /** Where rate and dates come from, and what of them was not confirmed. */
  readonly source: string;
}

const section31 = (from: NewYorkDate, to: NewYorkDate, rate: DecimalText, source: string): FeeRate => ({
  type: 'REG',
  from,
  to,
  rate,
  unit: 'USD per million USD sold',
  cap: null,
  source,
});

const tradingActivity = (
  from: NewYorkDate,
  to: NewYorkDate,
  rate: DecimalText,
  cap: DecimalText,
  source: string,
): FeeRate => ({ type: 'TAF', from, to, rate, unit: 'USD per share sold', cap, source });

const auditTrail = (from: NewYorkDate, to: NewYorkDate, rate: DecimalText, source: string): FeeRate => ({
  type: 'CAT',
  from,
  to,
  rate,
  unit: 'USD per share traded',
  cap: null,
  source,
});

/**
 * Regulatory fees of US equities, oldest first within a type. The table ends where published rates end: extending it is
 * a yearly task, and a trade date after it is an error, never a guess.
 *
 * Section 31 rates take effect 60 days after the appropriation of the fiscal year becomes law (15 U.S.C. 78ee(j)); where
 * only the rate was found, the date follows from that rule and the note says so. Short schedules that give 27.80 for
 * every date before 2025-05-14 leave out that the rate was 8.00 until 2024-05-21; the history is used.
 */
export const regulatoryFees: readonly FeeRate[] = [
  section31(
    '2013-01-01',
    '2013-05-24',
    '22.40',
    'SEC release 2012-232: in force until 60 days after the next appropriation',
  ),
  section31(
    '2013-05-25',
    '2014-03-17',
    '17.40',
    'Rate: FINRA Information Notice 3/3/14. Date: 60 days after 2013-03-26 (order 78 FR 25515)',
  ),
  section31('2014-03-18', '2015-02-13', '22.10', 'FINRA Information Notices 3/3/14 and 10/7/14'),
  section31(
    '2015-02-14',
    '2016-02-15',
    '18.40',
    'Order 80 FR 2978. Rate and date unconfirmed: the text of the order was not read; date is 60 days after 2014-12-16',
  ),
  section31(
    '2016-02-16',
    '2017-07-03',
    '21.80',
    'Rate: FINRA Information Notice 3/15/16. Date: order 81 FR 1458, 60 days after 2015-12-18 (date unconfirmed)',
  ),
  section31(
    '2017-07-04',
    '2018-05-21',
    '23.10',
    'Rate: SEC Fee Rate Advisory 3 for 2018. Date: 60 days after 2017-05-05 (order 82 FR 25895)',
  ),
  section31('2018-05-22', '2019-04-15', '13.00', 'SEC Fee Rate Advisory 3 for fiscal year 2018'),
  section31('2019-04-16', '2020-02-17', '20.70', 'SEC Fee Rate Advisory 2 for fiscal year 2019'),
  section31('2020-02-18', '2021-02-24', '22.10', 'FINRA Information Notice 2/3/20'),
  section31('2021-02-25', '2022-05-13', '5.10', 'SEC Fee Rate Advisory 2 for fiscal year 2021'),
  section31(
    '2022-05-14',
    '2023-02-26',
    '22.90',
    'Rate: broker fee schedules of 2022. Date: 60 days after 2022-03-15 (date unconfirmed)',
  ),
  section31(
    '2023-02-27',
    '2024-05-21',
    '8.00',
    'Rate: SEC Fee Rate Advisory 2 for 2024. Date: 60 days after 2022-12-29 (order 88 FR 5051)',
  ),
  section31('2024-05-22', '2025-05-13', '27.80', 'SEC Fee Rate Advisory 2 for fiscal year 2024'),
  section31('2025-05-14', '2026-04-03', '0', 'FINRA Information Notice 4/24/25; SEC order 90 FR 15492'),
  section31(
    '2026-04-04',
    '2026-12-31',
    '20.60',
    'Broker schedule of 2026; SEC order 91 FR 10643. Ends earlier if the appropriation for 2027 sets a new rate',
  ),

  tradingActivity(
    '2013-01-01',
    '2021-12-31',
    '0.000119',
    '5.95',
    'FINRA trading activity fee flow chart for equities; in force since 2012-07-01',
  ),
  tradingActivity(
    '2022-01-01',
    '2022-12-31',
    '0.00013',
    '6.49',
    'FINRA filing 85 FR 66592; rate and cap from broker fee schedules of 2022',
  ),
  tradingActivity(
    '2023-01-01',
    '2023-12-31',
    '0.000145',
    '7.27',
    'FINRA filing 85 FR 66592; rate and cap from broker fee schedules of 2023',
  ),
  tradingActivity(
    '2024-01-01',
    '2025-12-31',
    '0.000166',
    '8.30',
    'Broker fee schedules of 2024 and 2025; FINRA filing 89 FR 93709 raises it from 2026 only',
  ),
  tradingActivity(
    '2026-01-01',
    '2026-12-31',
    '0.000195',
    '9.79',
    'Broker schedule of 2026. A holiday at 0 for 2026-10-01 to 2026-12-31 is possible; its pass-through is unconfirmed, so the fee is charged',
  ),

  auditTrail(
    '2013-01-01',
    '2024-08-31',
    '0',
    'CAT NMS Plan FAQ V6: industry members are first billed for transactions of September 2024',
  ),
  auditTrail(
    '2024-09-01',
    '2024-09-30',
    '0.000035',
    'CAT Fee 2024-1 (CAT NMS Plan FAQ V6); when the broker began to pass it through is unconfirmed',
  ),
  auditTrail(
    '2024-10-01',
    '2025-06-30',
    '0.000053',
    'Highest rate the broker published (0.000046 and 0.000053, both undated; the plan billed 0.000048 from October 2024)',
  ),
  auditTrail(
    '2025-07-01',
    '2026-04-30',
    '0.0000265',
    'Broker schedule naming CAT Fee 2025-2 (for the period from 2025-07-01). End inferred: a CAT fee stays in force until the next, billed from May 2026',
  ),
  auditTrail(
    '2026-05-01',
    '2026-12-31',
    '0.000003',
    'Broker schedule of 2026, undated; CAT Fee 2026-1 is billed from May 2026 (start inferred)',
  ),
];
