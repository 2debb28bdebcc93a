/* Check a report: which figures of a classification report can be true together. Plain script, nothing is fetched or sent.
   The same questions, names and answers as gcaf_lib/paper (report_file.py reads, confusions.py lists, attainability.py
   judges); tests/test_page_tools.py holds both to one answer. What needs integer programming there stays undecided here, and
   of a word that is no figure's it does not say which it resembles. */
'use strict';
const gcafReport = (() => {
  const LIMIT = 100000, STEPS = 60, SLACK = 1e-12, DECIMALS = 8;
  const EFFORTS = [[10000, 15], [LIMIT, STEPS]];
  const PER_CLASS = ['recall', 'precision', 'f1'], OVERALL = ['accuracy', 'kappa', 'mcc'];
  const AVERAGES = ['macro', 'weighted', 'micro', 'samples'];
  const SUMS = 'avg average averaged mean total sum all classes overall unweighted balanced macro weighted micro accuracy images samples'.split(' ');
  const JOINT = ['macro_recall', 'macro_precision', 'macro_f1', 'weighted_precision', 'weighted_f1', 'mcc'];
  const ORDER = ['accuracy', 'recall', 'precision', 'f1', 'kappa', ...JOINT];
  const NAMES = {
    recall: 'recall sensitivity sens tpr', precision: 'precision prec ppv positive_predictive_value',
    f1: 'f1 f1_score f1score f_score f_measure f1_measure', support: 'support n images samples count size number',
    accuracy: 'accuracy acc overall_accuracy micro_f1 micro_recall micro_precision weighted_recall',
    kappa: 'kappa κ cohen_kappa cohens_kappa cohens_κ cohen_kappa_score',
    mcc: 'mcc matthews matthews_corrcoef matthews_correlation_coefficient',
    macro_recall: 'macro_recall balanced_accuracy macro_sensitivity', macro_precision: 'macro_precision',
    macro_f1: 'macro_f1', weighted_precision: 'weighted_precision', weighted_f1: 'weighted_f1',
    class: 'class label name category', metric: 'metric measure', value: 'value score figure',
  };
  const KNOWN = new Map(Object.entries(NAMES).flatMap(([name, all]) => all.split(' ').map(a => [a, name])));
  const WORDS = [...KNOWN].filter(([, name]) => [...PER_CLASS, 'support'].includes(name)).sort((a, b) => b[0].length - a[0].length)
    .map(([alias, name]) => [new RegExp(`^\\s*${alias.replaceAll('_', '[-_ ]')}(?:_| of | )(.+)$`, 'iu'), name]);  // the longest first
  const EMPTY = ['', '-', '–', '—', 'nan', 'na', 'n/a', 'none', 'null'];
  const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d{1,9})?$/i, WHOLE = /^\d{1,9}$/, RULE = /^[\s|:+=\-]*$/;
  const NOTHING = 'there is nothing in it: give supports and figures of a classification report';
  const empty = text => EMPTY.includes(text.trim().toLowerCase());
  const fail = text => { throw new Error(text) };
  const sum = list => list.reduce((a, b) => a + b, 0);
  const unique = list => [...new Set(list)];
  const floor = (a, b) => { let q = Math.floor(a / b); while (q * b > a) q--; while ((q + 1) * b <= a) q++; return q };
  const ceil = (a, b) => -floor(-a, b);

  // --- reading ---

  function plain(text) {
    return text.trim().toLowerCase().replace(/\((?!macro|weighted|micro)[^)]*\)|[%'’.()]/g, '').replace(/[\s_\-]+/g, '_').replace(/^_+|_+$/g, '');
  }
  function metricName(text) {
    let name = plain(text).replace(/_(avg|average)/g, '');
    for (const mean of AVERAGES) name = name.replace(new RegExp(`^(.*)_${mean}$`), `${mean}_$1`).replaceAll(`${mean}_averaged`, mean);
    if (KNOWN.has(name)) return KNOWN.get(name);
    const cut = name.indexOf('_'), head = name.slice(0, cut), tail = name.slice(cut + 1);
    return cut > 0 && AVERAGES.includes(head) && KNOWN.has(tail) ? KNOWN.get(`${head}_${KNOWN.get(tail)}`) || null : null;
  }
  function ofClass(text, classes = []) {  // f1_score_a is the F1-score of a, unless there is a class score_a and no a
    const pairs = WORDS.map(([word, name]) => [name, word.exec(text)]).filter(([, found]) => found).map(([name, found]) => [name, found[1].trim()]);
    return pairs.find(pair => classes.includes(pair[1])) || pairs[0] || null;
  }
  const isValue = word => EMPTY.includes(word.toLowerCase()) || word === '%' || NUMBER.test(word.replace(/%+$/, '').replaceAll(',', '.'));
  function split(text) {
    const lines = text.split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/).map(l => l.trimEnd()).filter(l => !RULE.test(l));  // as Python's splitlines
    if (lines.every(l => l.includes('|'))) {
      return lines.map(l => l.trim().replace(/^\|+|\|+$/g, '').split('|').map(c => c.replace(/^[ *`]+|[ *`]+$/g, '')));
    }
    for (const mark of ['\t', ';', ',']) if (lines[0].includes(mark)) {  // quotes may hold line ends
      return gcafRows(text, mark).filter(([, row]) => !RULE.test(row.join(''))).map(([, row]) => row.map(c => c.trim()));
    }
    const head = lines[0].trim().split(/\s+/), rows = [KNOWN.get(plain(head[0])) === 'class' ? head : ['', ...head]];
    for (const line of lines.slice(1)) {
      const words = line.trim().split(/\s+/);
      let first = words.findIndex((_, k) => k && words.slice(k).every(isValue));
      first = Math.max(first < 0 ? words.length : first, words.length - rows[0].length + 1);
      let values = words.slice(first);
      const name = words.slice(0, first).join(' ');
      if (values.length === 2 && metricName(name) === 'accuracy') values = [...Array(Math.max(0, rows[0].length - 3)).fill(''), ...values];
      rows.push([name, ...values]);
    }
    return rows;
  }
  function demandOnce(names, of) {  // where two columns have one metric, of those asked for, one would be lost
    const seen = new Map();
    for (const name of names) {
      const metric = metricName(name);
      if (of.includes(metric) && seen.has(metric)) fail(`two columns are the ${metric}: ${seen.get(metric)} and ${name}; give one of them`);
      seen.set(metric, name);
    }
  }
  function fromTable(text) {
    const rows = split(text);
    if (!rows.length) fail(NOTHING);
    const [head, ...body] = rows, columns = head.map(metricName);
    body.forEach((row, k) => {
      if (row.length > head.length) fail(`row ${k + 2} (${row[0]}) has ${row.length} cells, but the first row names ${head.length}`);
      while (row.length < head.length) row.push('');
    });
    const [m, v, c] = ['metric', 'value', 'class'].map(name => columns.indexOf(name));
    if (m >= 0 && v >= 0) demandOnce(head, ['metric', 'value']);
    if (m >= 0 && v >= 0) return fromList(body.map(r => [r[m], c < 0 ? '' : r[c], r[v]]));
    const first = Math.max(c, 0);
    demandOnce(head.filter((_, k) => k !== first), [...PER_CLASS, 'support']);
    const known = columns.map((name, k) => [name, k]).filter(([name, k]) => k !== first && [...PER_CLASS, 'support'].includes(name));
    if (!known.length) fail('the first row names no metric: it should read like `class, precision, recall, f1, support` or `metric, value`');
    const ignored = head.filter((h, k) => k !== first && !known.some(x => x[1] === k) && h);
    return fromRows(body.map(row => [row[first], known.map(([name, k]) => [name, row[k]])]), ignored);
  }
  function rowOf(name) {  // what a row is of that is no class's: one of AVERAGES, 'all' (a disease too) or 'sum'; '' for any other name
    const words = unique(plain(name).match(/\p{L}+/gu) || []);
    if (/^samples(_(avg|average|averaged))?$/.test(plain(name))) return 'samples';
    if (!words.length || !words.every(w => SUMS.includes(w))) return '';
    if (words.join() === 'all') return 'all';
    // a weighted accuracy is no average of precisions, whatever column it stands in
    return ['micro', 'macro', 'weighted'].find(mean => words.includes(mean) && !words.includes('accuracy')) || 'sum';
  }
  const ofWhole = name => !['', 'all'].includes(rowOf(name));
  const ofRow = (row, m) => m === 'support' ? 'total' : metricName(`${row}_${m}`);  // null: it is not said how classes were averaged
  function isClass(name, told, rows) {  // MCC, ACC and ALL are diseases too: figures that differ, or a support that is not that of all
    const overall = OVERALL.includes(metricName(name));
    if (ofWhole(name)) return false;
    if (!overall && !rowOf(name)) return true;
    const figures = told.filter(([m]) => m !== 'support').map(([, v]) => v), support = new Map(told).get('support') || '';
    const sizes = rows.map(([n, t]) => [n, digits(new Map(t).get('support') || '')]), size = digits(support);
    const totals = sizes.filter(([n, s]) => ofWhole(n) && s && !OVERALL.includes(metricName(n))).map(([, s]) => s);
    const others = sizes.filter(([n, s]) => n !== name && !ofWhole(n) && WHOLE.test(s));
    const part = size && !figures.includes(support) && ![...totals, `${sum(others.map(([, s]) => Number(s)))}`].includes(size);
    if (overall) return unique(figures).length > 1 || (told.length > 2 && part);
    return figures.length && part && (totals.length || (name === name.toUpperCase() && name !== name.toLowerCase()));
  }
  function fromRows(rows, ignored) {
    const out = [], add = (place, metric, of, text) => out.push({place, metric, of, text});
    rows = rows.map(([name, values]) => [name, values.filter(([, v]) => !empty(v))]);
    for (const [name, told] of rows) {
      const row = rowOf(name), overall = metricName(name);
      if (isClass(name, told, rows)) told.forEach(([m, v]) => add(`${m} of ${name}`, m, name, v));
      else if (OVERALL.includes(overall)) {
        const figure = told.filter(([m]) => m !== 'support').map(([, v]) => v);
        unique(figure).forEach(v => add(name, overall, null, v));
        told.filter(([m, v]) => m === 'support' && !figure.includes(v)).forEach(([, v]) => add(name, 'total', null, v));
      } else {
        if (['micro', 'samples'].includes(row)) fail(`row \`${name}\`: its classes are not all there are, or an image has several; only reports with one answer an image, over all classes, can be checked`);
        for (const [m, v] of told) {
          const metric = ofRow(row, m);
          if (metric) add(name, metric, null, v); else ignored.push(`${m} of ${name}`);
        }
      }
    }
    return [out, ignored];
  }
  function fromList(rows) {
    const out = [], ignored = [];
    const classes = rows.map(([metric, of]) => of ? [metricName(metric), of] : ofClass(metric)).filter(pair => pair && pair[0] === 'support').map(pair => pair[1]);
    for (const [metric, of, text] of rows) {
      if (empty(text)) continue;
      const name = metricName(metric), pair = of ? [name, of] : name ? null : ofClass(metric, classes);
      if (name && !of && ![...PER_CLASS, 'support', 'class', 'metric', 'value'].includes(name)) out.push({place: metric, metric: name, of: null, text});
      else if (name === 'support' && !of) out.push({place: metric, metric: 'total', of: null, text});
      else if (pair && [...PER_CLASS, 'support'].includes(pair[0]) && ofWhole(pair[1])) {
        const place = `${pair[0]} of ${pair[1]}`, figure = ofRow(rowOf(pair[1]), pair[0]);
        if (figure) out.push({place, metric: figure, of: null, text}); else ignored.push(place);
      } else if (pair && [...PER_CLASS, 'support'].includes(pair[0])) out.push({place: `${pair[0]} of ${pair[1]}`, metric: pair[0], of: pair[1], text});
      else ignored.push(metric);
    }
    return [out, ignored];
  }
  function fromJson(text) {
    let tree, twice, key = 0;  // every number stays as it is printed: 0.940 says more than 0.94; names are numbered, so none is lost
    try {
      tree = JSON.parse(text.replace(/"((?:[^"\\]|\\.)*"\s*:)|("(?:[^"\\]|\\.)*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity/g, (m, name, s) => name ? `"${key++} ${name}` : s || `"${m}"`), (_, v) => {
        if (!v || typeof v !== 'object' || Array.isArray(v)) return v;
        const pairs = Object.entries(v).map(([name, one]) => [name.replace(/^\d+ /, ''), one]), names = pairs.map(pair => pair[0]);
        twice ??= names.find((name, i) => names.indexOf(name) < i);
        return new Map(pairs);  // an object would put a class called 1 before one called 2
      });
    } catch { fail('not JSON: a bracket, quote or comma is missing somewhere') }
    if (twice !== undefined) fail(`\`${twice}\` stands twice in one JSON object: give each name once`);
    const object = x => x instanceof Map, plainly = v => JSON.stringify(v, (_, x) => object(x) ? Object.fromEntries(x) : x);
    const written = v => v === null ? '' : typeof v === 'string' ? v : fail(`${gcafCut(plainly(v), 40)} stands where a number should`);
    if (!object(tree) || !tree.size) fail('JSON has to be an object: {"supports": {…}, "figures": {…}}, or scikit-learn\'s');
    if ([...tree.keys()].every(k => ['supports', 'figures'].includes(k))) {
      if (![...tree.values()].every(object)) fail('`supports` and `figures` have to be objects: a name and a number each');
      return fromList([...[...tree.get('supports') || []].map(([k, v]) => ['support', k, written(v)]),
        ...[...tree.get('figures') || []].map(([k, v]) => [k, '', written(v)])]);
    }
    const ignored = [], kept = [...PER_CLASS, 'support'];
    return fromRows([...tree].map(([name, value]) => {
      if (!object(value)) return [name, [['f1', written(value)]]];
      demandOnce(value.keys(), kept);
      ignored.push(...[...value.keys()].filter(m => !kept.includes(metricName(m))).map(m => `${m} of ${name}`));
      return [name, [...value].map(([m, v]) => [metricName(m), written(v)]).filter(([m]) => kept.includes(m))];
    }), ignored);
  }
  function number(cell) {
    let text = cell.text.replaceAll('%', '').replace('−', '-').trim();
    if (text.includes(',') && !text.includes('.')) text = text.replaceAll(',', '.');
    if (!NUMBER.test(text)) fail(`${cell.place}: '${gcafCut(cell.text, 40)}' is not a number`);
    const [digits, power] = text.toLowerCase().split('e');
    const decimals = Math.min(Math.max((digits.split('.')[1] || '').length - Number(power || 0), 0), DECIMALS);
    return [Number(Number(text).toFixed(decimals)), decimals];
  }
  function digits(text) {  // of a whole number, without thousands marks or the zeros behind a decimal point
    return /^\d{1,3}([., ]\d{3})+$/.test(text.trim()) ? text.trim().replace(/[., ]/g, '') : text.trim().replace(/\.0*$/, '');
  }
  function whole(cell, mark) {  // mark: the decimal mark of the report's figures is no thousands mark
    if (new RegExp(`^\\d{1,3}([${mark}]\\d{3})+$`).test(cell.text.trim())) fail(`${cell.place}: '${gcafCut(cell.text, 40)}' is no clear number of images: write it without a dot or comma`);
    const text = digits(cell.text);
    if (!WHOLE.test(text) || Number(text) < 1 || Number(text) > 1e7) fail(`${cell.place}: '${gcafCut(cell.text, 40)}' is not a number of images (a whole number from 1)`);
    return Number(text);
  }
  function parse(given) {
    const text = gcafPlain(given);
    if (!text.trim()) fail(NOTHING);
    const [all, ignored] = '{['.includes(text.trimStart()[0]) ? fromJson(text) : fromTable(text), seen = new Map();
    for (const c of all) {
      const key = JSON.stringify([c.metric, c.of]);
      if (!seen.has(key)) seen.set(key, c.text);
      if (seen.get(key) !== c.text && !['total', 'accuracy'].includes(c.metric)) fail(`${c.place} stands there twice: ${seen.get(key)} and ${c.text}`);
    }
    const told = all.filter(c => !['support', 'total'].includes(c.metric)), mark = told.some(c => c.text.includes(',')) ? ',' : '.';
    const sizes = all.filter(c => c.metric === 'support'), supports = new Map(sizes.map(c => [c.of, whole(c, mark)]));
    const again = sizes.find((c, k) => sizes.slice(0, k).some(one => one.of === c.of));
    if (again) fail(`class ${again.of} stands there twice: give each class one row, under a name of its own`);
    const bare = unique(told.filter(c => c.of !== null && !supports.has(c.of)).map(c => c.of));
    if (bare.length || supports.size < 2) fail(`the support ${bare.length ? `of ${bare.map(name => name || 'a row without a name').join(', ')} ` : ''}is missing: the number of test images of every class is needed`);
    if (!told.length) fail('there are supports, but no figures to check');
    const column = c => c.metric.split('_').at(-1), percent = new Map(told.filter(c => c.text.includes('%') || Math.abs(number(c)[0]) > 1).map(c => [column(c), c]));
    const figures = new Map();
    for (const c of told) {
      const [value, decimals] = number(c), top = percent.has(column(c)) ? 100 : 1, least = ['kappa', 'mcc'].includes(c.metric) ? -top : 0;
      if (!(value >= least && value <= top)) fail(`${c.place}: ${gcafCut(c.text, 40)} is not between ${least} and ${top}`);
      const f = {metric: c.of === null ? c.metric : `${c.metric}_${c.of}`, kind: c.metric, of: c.of, value, decimals, percent: top === 100};
      figures.set(JSON.stringify(f), f);
    }
    for (const c of told) {  // only now: a figure out of range is named first
      const other = percent.get(column(c)), size = Math.abs(number(c)[0]);
      if (other && !c.text.includes('%') && size > 0 && size <= 1) fail(`${c.place}: ${c.text} reads as a fraction, but ${other.text} (${other.place}) is in percent: write % behind every percent, or give fractions alone`);
    }
    const mean = sum([...supports.values()]) / supports.size;  // a row of averages may give the supports' mean too, where others give their sum
    const means = all.filter(c => c.metric === 'total' && NUMBER.test(digits(c.text)) && Math.abs(Number(digits(c.text)) - mean) < 1);
    ignored.push(...means.map(c => `support of ${c.place}`));
    const totals = unique(all.filter(c => c.metric === 'total' && !means.includes(c)).map(c => whole(c, mark)));
    if (totals.length > 1) fail(`the rows of averages name different numbers of images: [${totals.sort((a, b) => a - b).join(', ')}]`);
    return {classes: [...supports.keys()], n: [...supports.values()], figures: [...figures.values()], total: totals[0] ?? null, ignored: unique(ignored)};
  }

  // --- the whole numbers behind a report: true positives t, and times predicted p, of each class ---

  function problem({classes, n}) {
    const k = n.length, total = sum(n), squares = total ** 2 - sum(n.map(x => x * x));
    const places = new Map(classes.map((name, c) => [name, c])), kept = new Map();
    const at = f => f.of === null ? -1 : places.get(f.of);
    function ends(f) {  // the true value lies in [low / scale, high / scale]
      if (!kept.has(f)) {
        const shown = Math.round(f.value * 10 ** f.decimals), scale = 10 ** (f.decimals + (f.percent ? 2 : 0));
        const down = shown < 0 || (shown === 0 && ['kappa', 'mcc'].includes(f.kind)), up = shown >= 0;
        // of what was cut off, all but the last thousandth of a unit: what is cut to another figure is none of it
        kept.set(f, f.cut ? [1000 * shown - 999 * down, 1000 * shown + 999 * up, 1000 * scale] : [2 * shown - 1, 2 * shown + 1, 2 * scale]);
      }
      return kept.get(f);
    }
    const each = (kind, t, p, size) => kind === 'recall' ? t / size : kind === 'f1' ? 2 * t / (size + p) : p > 0 ? t / p : 0;
    function value(f, s) {  // s: t_1..t_K, p_1..p_K
      const c = at(f), cut = f.kind.indexOf('_');
      if (c >= 0) return each(f.kind, s[c], s[k + c], n[c]);
      if (cut > 0) {
        const name = f.kind.slice(cut + 1), macro = f.kind[1] === 'a';
        let out = 0;
        for (let i = 0; i < k; i++) out += each(name, s[i], s[k + i], n[i]) * (macro ? 1 / k : n[i] / total);
        return out;
      }
      let right = 0, chance = 0, square = 0;
      for (let i = 0; i < k; i++) { right += s[i]; chance += n[i] * s[k + i]; square += s[k + i] ** 2 }
      if (f.kind === 'accuracy') return right / total;
      if (f.kind === 'kappa') return (total * right - chance) / (total ** 2 - chance);
      const spread = Math.sqrt(Math.max(total ** 2 - square, 0) * squares);
      return spread > 0 ? (total * right - chance) / spread : 0;
    }
    function holds(f, s) { const [low, high, scale] = ends(f), v = value(f, s); return v >= low / scale - SLACK && v <= high / scale + SLACK }

    function pairs(c, figures, limit) {  // every (t, p) that the class's own figures and the accuracy allow; null: too many
      const size = n[c], own = figures.filter(f => at(f) === c).map(f => [f.kind, ends(f)]), out = [];
      let most = total;
      for (const f of figures) if (f.kind === 'accuracy') { const [low, , scale] = ends(f); most = total + floor(-low * total, scale) }
      for (let t = Math.max(0, size - most); t <= size; t++) {
        let first = t, last = Math.min(t + total - size, 2 * t + most - size), fits = true;
        for (const [kind, [low, high, scale]] of own) {
          if (kind === 'recall') { fits &&= low * size <= scale * t && scale * t <= high * size; continue }
          const times = kind === 'precision' ? 1 : 2, offset = kind === 'precision' ? 0 : size;
          first = Math.max(first, ceil(times * scale * t, high) - offset);
          if (low > 0) last = t > 0 ? Math.min(last, floor(times * scale * t, low) - offset) : -1;
        }
        if (!fits) continue;
        for (let p = first; p <= last; p++) { if (out.length >= 2 * limit) return null; out.push(t, p) }
      }
      const rank = Int32Array.from({length: out.length / 2}, (_, i) => i).sort((a, b) => out[2 * a + 1] - out[2 * b + 1]);
      return {t: rank.map(i => out[2 * i]), p: rank.map(i => out[2 * i + 1]), length: rank.length};
    }
    function sums(figures) {  // what each pair adds to sums that have to end between two limits
      const rows = [{g: (t, p) => p, low: total, high: total}, {g: t => t, low: 0, high: total},
        {g: (t, p, c) => total * t - n[c] * p, low: -Infinity, high: Infinity}, {g: (t, p) => p * p, low: 0, high: Infinity}];
      for (const f of figures) {
        const [low, high, scale] = ends(f), [mean, name] = f.kind.split('_');
        if (f.kind === 'accuracy') rows.push({g: t => t / total, low: low / scale, high: high / scale});
        else if (f.kind === 'kappa') for (const [end, a, b] of [[low, low / scale, Infinity], [high, -Infinity, high / scale]]) {
          rows.push({g: (t, p, c) => (total * t - n[c] * p + end / scale * n[c] * p) / total ** 2, low: a, high: b});
        } else if (at(f) < 0 && name) {
          rows.push({g: (t, p, c) => each(name, t, p, n[c]) * (mean === 'macro' ? 1 / k : n[c] / total), low: low / scale, high: high / scale});
        }
      }
      return rows;
    }
    function mccWithin(f, top, square) {
      const [low, high, scale] = ends(f), [wide, narrow] = square.map(s => Math.sqrt(Math.max((total ** 2 - s) * squares, 1e-9)));
      const least = top[0] >= 0 ? top[0] / wide : top[0] / narrow, most = top[1] >= 0 ? top[1] / narrow : top[1] / wide;
      return most >= low / scale - 1e-9 && least <= high / scale + 1e-9;
    }
    function kappaFits(figures) {  // an error moves Σ n p by max n − min n at most
      const kappas = figures.filter(f => f.kind === 'kappa').map(ends), own = n.reduce((a, x) => a + x * x, 0), span = Math.max(...n) - Math.min(...n);
      const told = figures.filter(f => f.kind === 'accuracy').map(ends), of = x => t => (total * t - x(t)) / (total ** 2 - x(t));
      const least = of(t => Math.min(own + span * (total - t), Math.max(...n) * total)), most = of(t => own - span * (total - t));
      for (let t = 0; t <= total; t++) {
        if (told.every(([low, high, scale]) => low * total <= scale * t && scale * t <= high * total)
          && kappas.every(([low, high, scale]) => most(t) >= low / scale - SLACK && least(t) <= high / scale + SLACK)) return true;
      }
      return false;
    }
    function below(p, least) { let a = 0, b = p.length; while (a < b) { const m = (a + b) >> 1; if (p[m] < least) a = m + 1; else b = m } return a }
    function listing(figures, limit = LIMIT) {  // {states, complete}; null where one class alone has too many
      if (!kappaFits(figures)) return {states: [], complete: true};
      const all = n.map((_, c) => pairs(c, figures, limit));
      if (all.some(x => x && !x.length)) return {states: [], complete: true};
      if (all.some(x => !x)) return null;
      const rows = sums(figures), S = rows.length, W = 2 * k, mcc = figures.filter(f => f.kind === 'mcc');
      const low = rows.map(r => r.low - 1e-9), high = rows.map(r => r.high + 1e-9);
      const shares = all.map((list, c) => {
        const out = new Float64Array(list.length * S);
        for (let j = 0; j < list.length; j++) for (let i = 0; i < S; i++) out[j * S + i] = rows[i].g(list.t[j], list.p[j], c);
        return out;
      });
      const ranges = shares.map(list => rows.map((_, i) => { let a = Infinity, b = -Infinity; for (let j = i; j < list.length; j += S) { if (list[j] < a) a = list[j]; if (list[j] > b) b = list[j] } return [a, b] }));
      const order = n.map((_, c) => c).sort((a, b) => all[a].length - all[b].length || a - b);
      let size = 1, states = new Int32Array(W), had = new Float64Array(S), rooms = new Float64Array([Infinity]);
      for (let step = 0; step < k; step++) {
        const c = order[step], {t, p} = all[c], share = shares[c], rest = order.slice(step + 1), runs = new Int32Array(2 * size);
        const least = rows.map((_, i) => sum(rest.map(d => ranges[d][i][0]))), most = rows.map((_, i) => sum(rest.map(d => ranges[d][i][1])));
        let count = 0, found = 0;
        for (let x = 0; x < size; x++) {
          const a = below(p, total - most[0] - had[x * S] - 0.5), b = below(p, total - least[0] - had[x * S] + 0.5);
          runs[2 * x] = a; runs[2 * x + 1] = b; count += Math.max(b - a, 0);
        }
        if (count > limit) return {states: [], complete: false};
        const next = new Int32Array(count * W), now = new Float64Array((count + 1) * S), room = new Float64Array(count);
        for (let x = 0; x < size; x++) for (let j = runs[2 * x]; j < runs[2 * x + 1]; j++) {
          const at = found * S;
          let fits = true;
          for (let i = 0; fits && i < S; i++) {
            const v = now[at + i] = had[x * S + i] + share[j * S + i];
            fits = v + most[i] >= low[i] && v + least[i] <= high[i];
          }
          if (!fits) continue;
          room[found] = Math.min(rooms[x], total - n[c] - p[j] + 2 * t[j]);
          if (now[at + 1] + least[1] > room[found] + 0.5) continue;
          if (!mcc.every(f => mccWithin(f, [now[at + 2] + least[2], now[at + 2] + most[2]], [now[at + 3] + least[3], now[at + 3] + most[3]]))) continue;
          for (let i = 0; i < W; i++) next[found * W + i] = states[x * W + i];
          next[found * W + c] = t[j]; next[found * W + k + c] = p[j]; found++;
        }
        [size, states, had, rooms] = [found, next, now, room];
        if (!size) return {states: [], complete: true};
      }
      const whole = figures.filter(f => at(f) < 0), out = [];
      for (let x = 0; x < size; x++) { const s = states.subarray(x * W, x * W + W); if (whole.every(f => holds(f, s))) out.push(s) }
      return {states: out, complete: true};
    }

    function guess(figures) {
      const told = new Map(figures.map(f => [f.metric, f.value / (f.percent ? 100 : 1)]));
      const usual = told.get('accuracy') ?? told.get('macro_recall') ?? told.get('macro_f1') ?? 0.5, s = new Array(2 * k);
      classes.forEach((name, c) => {
        const t = (told.get(`recall_${name}`) ?? told.get(`f1_${name}`) ?? usual) * n[c];
        const p = told.get(`precision_${name}`) ? t / told.get(`precision_${name}`) : told.get(`f1_${name}`) ? 2 * t / told.get(`f1_${name}`) - n[c] : n[c];
        s[c] = Math.max(Math.round(t), 0); s[k + c] = Math.max(Math.round(p), 0);
      });
      return s;
    }
    function wrong(figures, s) {
      let right = 0, predicted = 0, out = 0;
      for (let c = 0; c < k; c++) { right += s[c]; predicted += s[k + c] }
      out += Math.abs(predicted - total);
      for (let c = 0; c < k; c++) {
        for (const over of [n[c] + s[k + c] - 2 * s[c] - total + right, s[c] - n[c], s[c] - s[k + c], -s[c]]) out += Math.max(over, 0);
      }
      for (const f of figures) { const [low, high, scale] = ends(f), v = value(f, s) * scale; out += Math.max(low - v - SLACK * scale, v - high - SLACK * scale, 0) }
      return out;
    }
    function moves() {
      const single = [], size = 2 * k, out = [];
      for (let i = 0; i < size; i++) { single.push([[i, 1]]); for (let j = 0; j < i; j++) for (const sign of [1, -1]) single.push([[i, 1], [j, sign]]) }
      for (let step = 1; step <= Math.max(2, total / 10) || step === 1; step *= 2) for (const sign of [1, -1]) for (const m of single) out.push(m.map(([i, d]) => [i, d * sign * step]));
      return out;
    }
    const allMoves = moves();
    const moved = (s, move) => { const out = s.slice(); for (const [i, d] of move) out[i] += d; return out };
    function seek(figures, start, steps) {
      let seed = 1, here = Array.from(start || guess(figures)), best = here, now = wrong(figures, here), least = now;
      const draw = () => { seed = (seed * 1103515245 + 12345)% 2147483648; return allMoves[seed % allMoves.length] };
      for (let step = 0; step < steps && least > 0; step++) {
        let found = null, value_ = Infinity;
        for (const move of allMoves) {
          const s = moved(here, move);
          if (s.some(x => x < 0)) continue;
          const v = wrong(figures, s);
          if (v < value_) { value_ = v; found = s }
        }
        if (found && value_ < now) { here = found; now = value_ }
        else { here = moved(moved(moved(best, draw()), draw()), draw()).map(x => Math.max(x, 0)); now = wrong(figures, here) }
        if (now < least) { best = here; least = now }
      }
      return least === 0 ? best : null;
    }
    function decide(figures, near = null) {  // [true, false or null, a state that shows it]
      for (const [limit, steps] of EFFORTS) {
        const listed = listing(figures, limit);
        if (listed && listed.states.length) return [true, Array.from(listed.states[0])];
        if (listed && listed.complete) return [false, null];
        const found = seek(figures, near, steps);
        if (found) return [true, found];
      }
      return [null, null];
    }
    function refuted(figures) {  // is it known that no matrix makes all figures true?
      for (const [limit] of EFFORTS) { const listed = listing(figures, limit); if (listed && listed.complete) return !listed.states.length }
      return false;
    }
    function right(figures) {  // least and most true positives of each class, then of all; F1 is between 2t/(N + t) and 2t/(n + t)
      const low = Array(k + 1).fill(0), high = [...n, total];
      for (const f of figures) {
        const c = at(f) < 0 ? k : at(f), size = c === k ? total : n[c], [a, b, scale] = ends(f);
        if (['recall', 'accuracy'].includes(f.kind)) { low[c] = Math.max(low[c], ceil(a * size, scale)); high[c] = Math.min(high[c], floor(b * size, scale)) }
        else if (f.kind === 'f1') { low[c] = Math.max(low[c], ceil(a * size, 2 * scale - a)); high[c] = Math.min(high[c], floor(b * total, 2 * scale - b)) }
      }
      for (let twice = 0; twice < 2; twice++) {
        const lows = sum(low.slice(0, k)), highs = sum(high.slice(0, k)), [a, b] = [low.slice(), high.slice()];
        for (let c = 0; c < k; c++) { low[c] = Math.max(a[c], a[k] - (highs - b[c])); high[c] = Math.min(b[c], b[k] - (lows - a[c])) }
        low[k] = Math.max(low[k], sum(low.slice(0, k))); high[k] = Math.min(high[k], sum(high.slice(0, k)));
      }
      return [low, high];
    }
    function errors(figures) {
      const listed = listing(figures);
      let [low, high] = listed && listed.complete ? [null, null] : right(figures);
      if (listed && listed.complete) {
        if (!listed.states.length) return [];
        low = Array(k + 1).fill(Infinity); high = Array(k + 1).fill(-Infinity);
        for (const s of listed.states) {
          let all = 0;
          for (let c = 0; c <= k; c++) { const t = c < k ? s[c] : all; if (c < k) all += t; low[c] = Math.min(low[c], t); high[c] = Math.max(high[c], t) }
        }
      }
      if (low.some((t, c) => t > high[c])) return [];
      return [...n, total].map((size, c) => ({class: classes[c] ?? 'all', support: size, least: size - high[c], most: size - low[c]}));
    }
    function around(accepted, f) {  // the nearest values beside the others; null: not searched, NaN: none on that side
      const listed = listing(accepted), unit = f.percent ? 100 : 1;
      if (!listed || !listed.complete) return [null, null];
      let low = -Infinity, high = Infinity;
      for (const s of listed.states) { const v = value(f, s); if (v <= f.value / unit) low = Math.max(low, v); if (v >= f.value / unit) high = Math.min(high, v) }
      return [low, high].map(v => Number.isFinite(v) ? v * unit : NaN);
    }
    function matrix(state) {  // a table with these margins: the class with the most left to place is served first
      const out = n.map((_, c) => n.map((_, d) => c === d ? state[c] : 0)), row = n.map((size, c) => size - state[c]), column = n.map((_, c) => state[k + c] - state[c]);
      const most = score => score.reduce((b, v, i) => v > score[b] ? i : b, 0);
      for (let left = sum(row); left > 0; left--) {
        const c = most(row.map((r, i) => r + column[i])), other = list => most(list.map((x, d) => d !== c && x > 0 ? row[d] + column[d] + 1 : 0));
        const [i, j] = row[c] ? [c, other(column)] : [other(row), c];
        out[i][j]++; row[i]--; column[j]--;
      }
      return out;
    }
    return {decide, refuted, holds, errors, around, matrix, total};
  }

  function check(report) {
    const p = problem(report), rank = f => ORDER.indexOf(f.kind), lines = new Map(), accepted = [];
    const ranked = report.figures.map((f, i) => [f, i]).sort((a, b) => rank(a[0]) - rank(b[0]) || a[1] - b[1]).map(x => x[0]);
    let [whole_, state] = p.decide(ranked);
    for (const f of ranked) {
      let verdict = whole_ || (state && p.holds(f, state)) || null;
      if (!verdict) { let found; [verdict, found] = p.decide([...accepted, f], state); state = found || state }
      const line = {metric: f.metric, published: f.value, attainable: verdict, below: f.value, above: f.value, alone: true, conflicts: [], figure: f};
      if (verdict === false) {
        [line.below, line.above] = p.around(accepted, f);
        let core = [...accepted];
        for (const a of accepted) { const fewer = core.filter(b => b !== a); if (p.refuted([...fewer, f])) core = fewer }
        line.alone = core.length > 0; line.conflicts = core.map(a => a.metric);
      } else if (verdict) accepted.push(f);
      lines.set(f, line);
    }
    const figures = report.figures.map(f => lines.get(f)), fits = report.figures.filter(f => lines.get(f).attainable === true);
    const bad = figures.some(line => line.attainable === false);
    const cut = bad && p.decide(report.figures.map(f => ({...f, cut: true})))[0] === true;
    if (report.total !== null && report.total !== p.total) {
      figures.unshift({metric: 'support', published: report.total, attainable: false, below: p.total, above: p.total, alone: false, conflicts: [], figure: {decimals: 0, percent: false, value: report.total}});
    }
    const shown = p.decide(fits)[1];
    return {report, figures, errors: p.errors(fits), matrix: shown && p.matrix(shown), cut};
  }
  return {parse, check};
})();
