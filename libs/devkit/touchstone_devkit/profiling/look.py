"""How the page of a profile looks, in light and in dark, and how a click widens a frame of a flame graph."""

STYLE = """
:root { color-scheme: light dark; --ground: #fbfaf7; --ink: #1d1d1b; --dim: #6a6862; --line: #dcd9d1; --track: #f0eee8;
  --assessment: #3f7fc4; --certification: #b9722b; --notification: #3d9167; --client: #8a8a86; --command: #77756f;
  --busy: rgba(0, 0, 0, .45); --frame-ink: #1d1d1b;
  --pymongo: #9cc79b; --amqp: #f0b27c; --hub: #c9c3ea; --marshmallow: #f2a3b3; --chassis: #8fbce6; --own: #f4d35e;
  --contracts: #86d0cb; --sockets: #e39a8b; --other: #d9d6cd; }
@media (prefers-color-scheme: dark) { :root { --ground: #171716; --ink: #ecebe6; --dim: #a09e96; --line: #3a3935;
  --track: #232321; --assessment: #5a9be0; --certification: #d9924a; --notification: #56b585; --client: #9a9a95;
  --command: #a3a19a; --busy: rgba(255, 255, 255, .5); --frame-ink: #10100f;
  --pymongo: #7fae7e; --amqp: #d99a63; --hub: #a9a2d6; --marshmallow: #d98797; --chassis: #74a5d2; --own: #d9b945;
  --contracts: #6bb8b2; --sockets: #c97f70; --other: #a8a59b; } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 8px; } h2 { font-size: 20px; margin: 40px 0 6px; }
h3 { font-size: 15px; margin: 22px 0 4px; }
p { max-width: 880px; margin: 4px 0 10px; } .dim, small { color: var(--dim); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th { text-align: left; font-weight: 600; color: var(--dim); padding: 4px 14px 4px 0;
  border-bottom: 1px solid var(--line); }
td { padding: 2px 14px 2px 0; border-bottom: 1px solid var(--line); } td.n { text-align: right; }
.fall { display: grid; grid-template-columns: minmax(150px, 250px) 1fr 130px; column-gap: 12px; row-gap: 2px;
  font-size: 12.5px; }
.fall h4 { grid-column: 1 / -1; margin: 8px 0 1px; font-size: 13px; }
.fall h4 small { font-weight: 400; margin-left: 10px; }
.name { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.track { position: relative; background: var(--track); height: 16px; align-self: center; }
.ticks { background: none; } .ticks i { position: absolute; font-style: normal; color: var(--dim); font-size: 11px;
  border-left: 1px solid var(--line); padding-left: 3px; }
.bar { position: absolute; top: 2px; bottom: 2px; min-width: 1.5px; background: var(--client); }
.bar u { display: block; height: 100%; background: var(--busy); } .bar.beside { opacity: .38; }
.assessment.bar { background: var(--assessment); } .certification.bar { background: var(--certification); }
.notification.bar { background: var(--notification); }
.bar.command { background: var(--command); top: 5px; bottom: 5px; }
h4.assessment { color: var(--assessment); } h4.certification { color: var(--certification); }
h4.notification { color: var(--notification); }
.fall b { font-weight: 400; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.fall em { font-style: normal; color: var(--dim); display: inline-block; width: 72px; }
.flames { position: relative; overflow: hidden; border: 1px solid var(--line); font-size: 11px; }
.flames span { position: absolute; box-sizing: border-box; height: 17px; line-height: 16px; padding: 0 3px;
  overflow: hidden; white-space: nowrap; color: var(--frame-ink); border: solid var(--ground);
  border-width: 0 1px 1px 0; cursor: pointer; background: var(--other); }
.flames .o-pymongo { background: var(--pymongo); } .flames .o-amqp { background: var(--amqp); }
.flames .o-nameko-eventlet { background: var(--hub); } .flames .o-marshmallow { background: var(--marshmallow); }
.flames .o-chassis { background: var(--chassis); } .flames .o-service { background: var(--own); }
.flames .o-sockets { background: var(--sockets); }
.flames .o-contracts { background: var(--contracts); }
"""

SCRIPT = """
for (const graph of document.querySelectorAll('.flames')) {
  const frames = [...graph.children].map(
    e => ({ e, left: parseFloat(e.style.left), width: parseFloat(e.style.width) }));
  graph.addEventListener('click', event => {
    const chosen = frames.find(f => f.e === event.target);
    if (!chosen) return;
    for (const f of frames) {
      const left = (f.left - chosen.left) * 100 / chosen.width, width = f.width * 100 / chosen.width;
      f.e.style.left = Math.max(0, left) + '%';
      f.e.style.width = Math.min(100, left + width) - Math.max(0, left) + '%';
      f.e.style.display = left + width <= 0.001 || left >= 99.999 ? 'none' : '';
    }
  });
}
"""
