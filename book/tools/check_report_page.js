/* The page around check_report.js: what is typed or pasted is checked at once; nothing is fetched or sent. */
'use strict';
document.addEventListener('DOMContentLoaded', () => {
  const box = document.getElementById('gcaf-report');
  if (!box) return;
  const field = box.querySelector('textarea'), answer = box.querySelector('[role=status]');
  const WORDS = {kappa: 'Cohen’s kappa', mcc: 'MCC', f1: 'F1'}, word = m => WORDS[m] || m;
  const make = (tag, text) => { const e = document.createElement(tag); e.textContent = text; return e };
  function name(metric) {
    const cut = metric.indexOf('_'), head = metric.slice(0, cut), tail = metric.slice(cut + 1);
    if (cut < 0) return word(metric);
    return ['macro', 'weighted'].includes(head) ? `${head} ${word(tail)}` : `${word(head)} of ${tail}`;
  }
  const print = (v, f) => v.toFixed(f.decimals) + (f.percent ? '%' : '');
  const span = e => e.least === e.most ? `${e.least}` : `${e.least} to ${e.most}`;
  function reason(line) {
    const text = line.conflicts.length ? `contradicts ${line.conflicts.map(name).join(', ')}`
      : line.metric === 'support' ? 'the supports of the classes add up to another number'
        : 'no confusion matrix with these supports gives it';
    const near = [...new Set([line.below, line.above].filter(v => v !== null && !Number.isNaN(v)).map(v => print(v, line.figure)))];
    const nearest = line.metric === 'support' ? 'the nearest that can be' : 'the nearest beside the earlier figures that hold';
    if (line.below === null && line.above === null) return `${text}; ${nearest} is not sought here`;
    return text + (near.length ? `; ${nearest}: ${near.join(' and ')}` : '');
  }
  function table(classes, matrix) {
    const frame = document.createElement('div'), out = document.createElement('table'), head = out.createTHead().insertRow();
    frame.className = 'gcaf-scroll'; frame.tabIndex = 0; frame.setAttribute('role', 'group'); frame.setAttribute('aria-label', 'confusion matrix');
    out.append(make('caption', 'A confusion matrix that gives the figures that can be true (rows: true, columns: predicted)'));
    for (const text of ['', ...classes]) { const th = make(text ? 'th' : 'td', text); if (text) th.scope = 'col'; head.append(th) }
    const body = out.createTBody();
    matrix.forEach((row, c) => { const tr = body.insertRow(), th = make('th', classes[c]); th.scope = 'row'; tr.append(th, ...row.map(v => make('td', v))) });
    frame.append(out);
    return frame;
  }
  function show({report, figures, errors, matrix, cut}) {
    const bad = figures.filter(l => l.attainable === false), open = figures.filter(l => l.attainable === null);
    const out = [], verdict = make('p', bad.length ? `${bad.length} of ${figures.length} figures can’t be true.`
      : open.length ? 'Nothing here is known to be impossible.' : 'All figures can be true together.');
    verdict.className = bad.length ? 'gcaf-answer gcaf-bad' : 'gcaf-answer gcaf-good';
    out.push(verdict);
    if (bad.length) {
      const list = document.createElement('ul');
      for (const line of bad) { const li = document.createElement('li'); li.append(make('strong', `${name(line.metric)} ${print(line.published, line.figure)}`), `: ${reason(line)}`); list.append(li) }
      out.push(list);
      if (cut) out.push(make('p', 'All could be true if the figures had been cut off, not rounded.'));
      // 0/0 is a convention
      if (bad.some(l => l.metric.includes('precision')) && report.figures.some(f => f.value === 0 && f.of !== null && f.kind !== 'precision')) {
        out.push(make('p', 'The precision of a class that is never predicted counts as 0, as scikit-learn has it; it is another number where zero_division was set.'));
      }
    }
    if (open.length) out.push(make('p', `Not decided here, there are too many tables (gcaf audit can do more): ${open.map(l => name(l.metric)).join(', ')}.`));
    if (errors.length) {
      const all = errors.at(-1), each = errors.slice(0, -1).map(e => `${e.class} ${span(e)} of ${e.support}`).join(', ');
      out.push(make('p', `By the figures that can be true, ${span(all)} of ${all.support} answers must have been wrong: ${each}.`));
    }
    if (matrix) out.push(table(report.classes, matrix));
    if (report.ignored.length) out.push(make('p', `Not checked, because this check does not know them: ${report.ignored.join(', ')}.`));
    answer.replaceChildren(...out);
  }
  function run() {
    if (!field.value.trim()) { answer.replaceChildren(); field.removeAttribute('aria-invalid'); return }
    try { show(gcafReport.check(gcafReport.parse(field.value))); field.removeAttribute('aria-invalid') }
    catch (error) {
      const line = make('p', `This can’t be read: ${error.message}.`);
      line.className = 'gcaf-answer gcaf-bad'; answer.replaceChildren(line); field.setAttribute('aria-invalid', 'true');
    }
  }
  let waiting;
  function soon(delay) {  // some tables take seconds: the page says so before it computes
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (field.value.trim()) answer.replaceChildren(make('p', 'Checking …'));
      requestAnimationFrame(() => { waiting = setTimeout(run) });
    }, delay);
  }
  field.addEventListener('input', () => soon(250));
  for (const button of box.querySelectorAll('button[data-example]')) button.addEventListener('click', () => {
    field.value = document.querySelector(`#${button.dataset.example} pre`).textContent.trimEnd() + '\n';
    soon(0);
  });
});
