import { registerHooks } from 'node:module';
import { mutationKey, mutationOf } from './mutations.ts';

const name = process.env[mutationKey];
const mutation = mutationOf(name);
if (mutation === null) throw new Error(`${mutationKey}: expected the name of a mutation, found "${name ?? ''}"`);

// The source as it is loaded, before its types are stripped.
registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const changes = mutation.changes.filter(({ file }) => url.endsWith(file));
    if (changes.length === 0) return loaded;
    let source =
      typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
    for (const { find, replace } of changes) {
      if (source.split(find).length !== 2)
        throw new Error(`mutation ${name ?? ''}: expected "${find}" once in ${url}; name the text that does it now`);
      source = source.replace(find, () => replace);
    }
    return { ...loaded, source };
  },
});
