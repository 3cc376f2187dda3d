import { describe, expect, it } from 'vitest';
import { decimal, decimalText, transactionCost, type FilledOrder } from '@torghut/domain';

const cost = (changes: Partial<FilledOrder>) => {
  const result = transactionCost({
    side: 'buy',
    arrivalPrice: decimal('100'),
    averageFillPrice: decimal('100.05'),
    filledQty: decimal('20'),
    modelledBps: null,
    priorSignedQty: decimal('0'),
    ...changes,
  });
  const { divergenceBps } = result;
  return {
    signedQty: decimalText(result.signedQty),
    slippageBps: decimalText(result.slippageBps),
    shortfallNotional: decimalText(result.shortfallNotional),
    divergenceBps: divergenceBps === null ? null : decimalText(divergenceBps),
    churnQty: decimalText(result.churnQty),
    churnRatio: decimalText(result.churnRatio),
  };
};

describe('transaction cost analysis', () => {
  it('matches the worked examples', () => {
    expect(cost({})).toMatchObject({ slippageBps: '5', shortfallNotional: '1', signedQty: '20', divergenceBps: null });
    expect(cost({ side: 'sell', averageFillPrice: decimal('99.90') })).toMatchObject({
      slippageBps: '10',
      signedQty: '-20',
    });
  });

  it('counts a better price as a negative cost', () => {
    expect(cost({ averageFillPrice: decimal('99.99') })).toMatchObject({
      slippageBps: '-1',
      shortfallNotional: '-0.2',
    });
  });

  it('diverges from the model by the difference, also from a model of zero', () => {
    expect(cost({ modelledBps: decimal('3.5') }).divergenceBps).toBe('1.5');
    expect(cost({ modelledBps: decimal('0') }).divergenceBps).toBe('5');
  });

  it.each([
    ['-5', '5', '0.25'],
    ['-50', '20', '1'],
    ['5', '0', '0'],
    ['0', '0', '0'],
  ])('finds the churn of a buy after %s shares: %s, a share of %s', (prior, churnQty, churnRatio) => {
    expect(cost({ priorSignedQty: decimal(prior) })).toMatchObject({ churnQty, churnRatio });
  });

  it('refuses an arrival price or a quantity that is not above zero', () => {
    expect(() => cost({ arrivalPrice: decimal('0') })).toThrow(/arrival price above 0/);
    expect(() => cost({ filledQty: decimal('0') })).toThrow(/filled quantity above 0/);
  });
});
