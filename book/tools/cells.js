/* The cells of one line of CSV, quotes doubled inside quotes: what both tools read tables with. */
'use strict';
const gcafCells = (line, mark) => {
  const out = []; let text = '', quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quoted) { if (c !== '"') text += c; else if (line[i + 1] === '"') { text += c; i++ } else quoted = false }
    else if (c === '"' && !text) quoted = true;
    else if (c === mark) { out.push(text); text = '' }
    else text += c;
  }
  return [...out, text];
};
