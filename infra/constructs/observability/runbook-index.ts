import type { AlarmRow } from './alarm-row.ts';

/** Lines between which the index of alarms stands in the runbooks' README. */
export const indexMarkers = { start: '<!-- alarms: generated -->', end: '<!-- end of alarms -->' } as const;

/** Pages first, in the order of the table; one line per runbook, since rows of a kind share a page. */
const lines = (rows: readonly AlarmRow[]): readonly string[] => {
  const pages = Map.groupBy(
    rows.toSorted((a, b) => Number(b.severity === 'page') - Number(a.severity === 'page')),
    ({ runbook }) => runbook,
  );
  return [...pages].map(([runbook, group]) => {
    const severities = [...new Set(group.map(({ severity }) => severity))].join(', ');
    const alarms = group.map(({ id }) => `\`${id}\``).join(', ');
    const when = group.every(({ session }) => session === 'open') ? 'session' : 'always';
    const [first] = group;
    const due = first === undefined || first.capability === 'now' ? '' : `comes with ${first.capability}`;
    return `| ${alarms} | ${severities} | ${when} | [${runbook}](${runbook}) | ${due} |`;
  });
};

/** The README with its index as the rows have it. */
export const withRunbookIndex = (readme: string, rows: readonly AlarmRow[]): string => {
  const start = readme.indexOf(indexMarkers.start);
  const end = readme.indexOf(indexMarkers.end);
  if (start === -1 || end < start) {
    throw new Error(`runbook index: expected the lines ${indexMarkers.start} and ${indexMarkers.end}, found none`);
  }
  const table = ['| alarm | severity | judged | runbook | |', '| --- | --- | --- | --- | --- |', ...lines(rows)];
  return [readme.slice(0, start), indexMarkers.start, '\n\n', table.join('\n'), '\n\n', readme.slice(end)].join('');
};
