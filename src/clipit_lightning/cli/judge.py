"""`clipit judge`."""

from pathlib import Path

import typer

from clipit_lightning.core.log import show

JUDGE_FORMATS = """\
\b
examples:
  clipit judge data/tvsum.h5 --model qwen3:8b --base-url http://localhost:11434/v1
  clipit judge holiday.mp4 --captioner Salesforce/blip-image-captioning-base --model NAME --base-url URL
  clipit train tvsum prompts-to-summaries data.judge=qwen3:8b@HASH

\b
  URL is that of any server with OpenAI's chat interface, such as vLLM, Ollama and llama.cpp. A key is read from the
  environment alone, OPENAI_API_KEY, and goes to that server with each request. Every shot is one request, of
  temperature 0. Answers are kept: the same command continues where it stopped, and asks for nothing twice.

\b
written:
  of a store   into it: shot_scores, and the judge's name, MODEL@HASH with a hash of what it is told, in judges
  of a video   NAME_shot_captions.json and NAME_shot_scores_JUDGE.json, as `clipit data import` reads them
"""


def judge(
    source: Path = typer.Argument(
        ..., metavar="VIDEO_OR_STORE", help="A store (.h5) with captions of shots, or a video."
    ),
    model: str = typer.Option(..., help="The model, as the server calls it."),
    base_url: str = typer.Option(..., metavar="URL", help="Of the server, such as http://localhost:8000/v1."),
    captioner: str | None = typer.Option(
        None, help="Of a video: caption shots by a model of transformers, or a folder."
    ),
    encoder: str | None = typer.Option(None, help="Of a video: encoder by which shots are cut (default: hsv)."),
    to: Path | None = typer.Option(None, help="Of a video: folder for the files (default: here)."),
    cache: Path | None = typer.Option(None, help="Keep answers there (default: NAME.judge beside what is written)."),
    workers: int = typer.Option(4, min=1, max=256, help="Requests at once."),
    retries: int = typer.Option(5, min=0, max=100, help="Repetitions of a request that was not answered."),
    timeout: float = typer.Option(60.0, min=0.01, help="Seconds that an answer may take."),
    device: str = typer.Option("auto", help="Of a video: cpu, cuda, cuda:1, ..."),
) -> int:
    """Let a language model score the shots of a video by their captions, 0 to 100.

    Exit status 1 where answers of some shots are no numbers, also when asked once more; those are listed, and asked for
    again by the same command.
    """
    from clipit_lightning.pipelines.judge import judge as judge_shots

    made = judge_shots(
        source,
        model,
        base_url,
        to=to,
        captioner=captioner,
        encoder=encoder,
        cache=cache,
        workers=workers,
        retries=retries,
        timeout=timeout,
        device=device,
    )
    tokens = f"{made.prompt_tokens} tokens sent, {made.completion_tokens} received"
    show(f"{', '.join(map(str, made.paths))}: {made.scored} shots scored by {made.judge}")
    show(f"{made.asked} shots asked for now ({tokens}); other answers were kept")
    if made.without:
        lines = [f"{len(made.without)} shots have no score: both answers are no number from 0 to 100"]
        lines += [f"  {shot}: {text[:80]!r}" for shot, text in made.without.items()]
        show("\n".join(lines), error=True)
    return 1 if made.without else 0
