/* CSV as Python's csv module reads it: quotes doubled inside quotes, line ends too. What both tools read tables with. */
'use strict';
const gcafPlain = text => text.replaceAll('\ufeff', '').replace(/[\x1c-\x1f\x85]/g, ' ');  // blanks that are none in Python, or here
const gcafCut = (text, most) => [...text].slice(0, most).join('');  // whole characters, as Python counts them
const gcafRows = (text, mark) => {  // [number of the row's last line, cells] of each row; what a quote swallowed is an error
  const all = text.replace(/\r\n?/g, '\n').replace(/\n$/, ''), out = [];
  let row = [], cell = '', quoted = false, line = 1;
  for (let i = 0; i <= all.length; i++) {
    const c = all[i];
    if (quoted && c !== undefined) {
      if (c !== '"') { cell += c; line += c === '\n' } else if (all[i + 1] === '"') { cell += c; i++ } else quoted = false;
    } else if (quoted) throw new Error(`line ${out.length ? out.at(-1)[0] + 1 : 1}: a quote opens here and is never closed`);
    else if (c === '\n' || c === undefined) {
      out.push([line++, [...row, cell]]); row = []; cell = '';
    } else if (c === '"' && !cell) quoted = true;
    else if (c === mark) { row.push(cell); cell = '' }
    else cell += c;
  }
  return out;
};
const gcafText = bytes => {
  try { return new TextDecoder('utf-8', {fatal: true}).decode(bytes) } catch { throw new Error('it is not text in UTF-8: save it as UTF-8') }
};
