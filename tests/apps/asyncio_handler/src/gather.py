import asyncio
import time

loop_count = 0


async def fetch(name, seconds):
    await asyncio.sleep(seconds)
    return name


async def impatient():
    try:
        async with asyncio.timeout(5):
            await fetch("never", 3600)
    except TimeoutError:
        return "gave up"


def blocking(name):
    time.sleep(2)
    return name


async def work(names):
    queue = asyncio.Queue()

    async def consumer():
        return [await queue.get() for _ in names]

    consuming = asyncio.create_task(consumer())
    results = await asyncio.gather(*(fetch(name, 10 * (n + 1)) for n, name in enumerate(names)), impatient())
    for name in names:
        await queue.put(name)
    return {
        "results": results,
        "queued": await consuming,
        "threaded": await asyncio.gather(*(asyncio.to_thread(blocking, name) for name in names)),
    }


def handler(event, context):
    started = time.time()
    result = asyncio.run(work(event["names"]))
    return {**result, "seconds": round(time.time() - started)}
