/** One statement of a script and the line it begins at (1 is the first). */
export interface SqlStatement {
  readonly text: string;
  readonly line: number;
}

// What may hold a semicolon that ends nothing: quoted text, quoted names, dollar-quoted bodies, comments.
const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$[A-Za-z_]*\$)[\s\S]*?\1|--[^\n]*|\/\*[\s\S]*?\*\/|;/g;
const blank = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/;

/** Splits a script at the semicolons that end statements; comments before a statement are left out. */
export const splitStatements = (script: string): readonly SqlStatement[] => {
  const statements: SqlStatement[] = [];
  let start = 0;
  const push = (end: number): void => {
    const lead = blank.exec(script.slice(start, end))?.[0].length ?? 0;
    const text = script.slice(start + lead, end).trim();
    if (text !== '') statements.push({ text, line: script.slice(0, start + lead).split('\n').length });
  };
  for (const match of script.matchAll(token)) {
    if (match[0] !== ';') continue;
    push(match.index);
    start = match.index + 1;
  }
  push(script.length);
  return statements;
};
