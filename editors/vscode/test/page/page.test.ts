import { after, before, test } from "node:test";
import { open, painted, shots, sound, start, stop } from "./browser";
import * as scenes from "./scenes";
import { join } from "node:path";
before(async () => { await start(); });
after(stop);
test("look", async () => {
  for (const [name, scene] of Object.entries({ running: scenes.running(), approval: scenes.approval(), finished: scenes.finished() })) {
    const tab = await open(scene, { clock: scenes.clock });
    if (name === "running") { await tab.evaluate(() => (window as any).fake.play()); }
    await tab.clock.runFor(700);
    console.log(name, await sound(tab));
    await tab.screenshot({ path: join(shots, `${name}.png`) });
    await tab.context().close();
  }
});
