import { utf8 } from '@holdfast/bytes';
import type { ReadView } from '@holdfast/kv';
import { createMemoryStore } from '@holdfast/kv/testing';
import { expect, test } from 'vitest';
import { ViewPin } from '../src/view-pin.ts';

test('a read that is given up while its view is taken anew leaves no view open', async () => {
  const kv = createMemoryStore();
  const views: ReadView[] = [];
  const watched = new Proxy(kv, {
    get: (target, name) => {
      if (name !== 'readView') return Reflect.get(target, name);
      return async (options: { readonly maxAgeMs?: number }) => {
        const view = await target.readView(options);
        views.push(view);
        return view;
      };
    },
  });
  const maxAgeMs = 600_000;
  const old = await watched.readView({ maxAgeMs });
  const pin: ViewPin = new ViewPin(watched, old, {
    maxAgeMs,
    stillThere: async () => {
      pin.close();
      return true;
    },
  });
  old.close();
  await expect(pin.get(utf8('key'))).rejects.toMatchObject({ code: 'KV_VIEW_CLOSED' });
  expect(views).toHaveLength(2);
  for (const view of views) {
    await expect(view.get(utf8('key'))).rejects.toMatchObject({ code: 'KV_VIEW_CLOSED' });
  }
  await kv.close();
});
