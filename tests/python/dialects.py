"""One table of the dialects: how each official client is made, asks, hears and fails.

Every row promises the same to the tests; none knows whether it stands before the sandbox or
before the gateway, since both have the dialects at the same places.
"""

import contextlib
import io
import json
import wave
from dataclasses import dataclass

import anthropic
import boto3
import botocore.config
import deepgram.core
import deepgram.environment
import deepgram.errors
import openai
from botocore.exceptions import ClientError, EventStreamError
from google import genai
from google.genai import errors as gemini_errors
from google.genai import types as gemini

PROMPT = "Say hello."


@dataclass
class Said:
    """What an answer said, and what the client shows of its use."""

    text: str
    input: int | None = None
    output: int | None = None
    seconds: float | None = None


def silence(milliseconds):
    """A WAV file of so much silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as samples:
        samples.setnchannels(1)
        samples.setsampwidth(1)
        samples.setframerate(8000)
        samples.writeframes(bytes(8 * milliseconds - 44))
    return file.getvalue()


class Dialect:
    """One way to ask. A client is made for one caller, with the headers of all its requests;
    `retries` is `None` for the client's own default."""

    model = "priced"
    """What it asks for; named so that the tests' policy has a price for it."""
    streams = True
    tries = 3
    """How often the client asks in all, by its default, when told to come back or broken."""
    cut_raises = None
    """What it raises when a stream reports an error."""
    is_bounded = True
    """Whether its requests say how much may be made; else small limits refuse them at once."""
    seconds_price = None
    """Nano-dollars for a second of audio, where that is what it costs."""

    def ask(self, client, model=None):
        """One plain answer."""
        raise NotImplementedError

    def stream(self, client, heard, model=None):
        """One streamed answer; its pieces are in `heard` as they come."""
        raise NotImplementedError


class OpenAI(Dialect):
    """Chat completions."""

    name = "openai"
    path = "openai/v1"
    broken = openai.InternalServerError, 500
    overloaded = openai.InternalServerError, 503
    limited = openai.RateLimitError, 429
    invalid = openai.BadRequestError, 400
    unauthorized = openai.AuthenticationError, 401
    forbidden = openai.PermissionDeniedError, 403
    spent = openai.RateLimitError, 429
    down = openai.InternalServerError, 502
    cut_raises = openai.APIError

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = {} if retries is None else {"max_retries": retries}
        url = f"{door}/{self.path}"
        with openai.OpenAI(base_url=url, api_key=key, default_headers=headers, **options) as client:
            yield client

    def ask(self, client, model=None, **more):
        answer = client.chat.completions.create(
            model=model or self.model, messages=[{"role": "user", "content": PROMPT}],
            max_completion_tokens=100, **more,
        )
        usage = answer.usage
        text = answer.choices[0].message.content
        return Said(text, usage.prompt_tokens, usage.completion_tokens)

    def stream(self, client, heard, model=None):
        stream = client.chat.completions.create(
            model=model or self.model, messages=[{"role": "user", "content": PROMPT}],
            max_completion_tokens=100, stream=True, stream_options={"include_usage": True},
        )
        usage = None
        for chunk in stream:
            usage = chunk.usage or usage
            heard += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        return Said("".join(heard), usage.prompt_tokens, usage.completion_tokens)

    @staticmethod
    def status(error):
        return error.status_code

    @staticmethod
    def headers(error):
        return error.response.headers


class Azure(OpenAI):
    """The same at a deployment of Azure's."""

    name = "azure"
    path = "azure"

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = {} if retries is None else {"max_retries": retries}
        with openai.AzureOpenAI(
            azure_endpoint=f"{door}/{self.path}", api_key=key, api_version="2026-10-21",
            default_headers=headers, **options,
        ) as client:
            yield client


class Responses(OpenAI):
    """OpenAI's responses."""

    name = "responses"

    def ask(self, client, model=None):
        answer = client.responses.create(
            model=model or self.model, input=PROMPT, max_output_tokens=100
        )
        return Said(answer.output_text, answer.usage.input_tokens, answer.usage.output_tokens)

    def stream(self, client, heard, model=None):
        stream = client.responses.create(
            model=model or self.model, input=PROMPT, max_output_tokens=100, stream=True
        )
        usage = None
        for event in stream:
            if event.type == "response.output_text.delta":
                heard.append(event.delta)
            elif event.type in ("response.completed", "response.incomplete"):
                usage = event.response.usage
        return Said("".join(heard), usage.input_tokens, usage.output_tokens)


class Whisper(OpenAI):
    """Transcriptions that cost by the second."""

    name = "whisper"
    model = "whisper-1"
    streams = False
    milliseconds = 1500
    seconds_price = 100_000

    def ask(self, client, model=None):
        answer = client.audio.transcriptions.create(
            model=model or self.model, file=("a.wav", silence(self.milliseconds))
        )
        return Said(answer.text, seconds=answer.usage.seconds)


class Transcribe(OpenAI):
    """Transcriptions that cost by the token."""

    name = "transcribe"
    is_bounded = False

    def ask(self, client, model=None):
        answer = client.audio.transcriptions.create(
            model=model or self.model, file=("a.wav", silence(1500))
        )
        return Said(answer.text, answer.usage.input_tokens, answer.usage.output_tokens)

    def stream(self, client, heard, model=None):
        stream = client.audio.transcriptions.create(
            model=model or self.model, file=("a.wav", silence(1500)), stream=True
        )
        usage = None
        for event in stream:
            if event.type == "transcript.text.delta":
                heard.append(event.delta)
            else:
                usage = event.usage
        return Said("".join(heard), usage.input_tokens, usage.output_tokens)


class Anthropic(Dialect):
    """Anthropic's messages."""

    name = "anthropic"
    path = "anthropic"
    broken = anthropic.InternalServerError, 500
    overloaded = anthropic.OverloadedError, 529
    limited = anthropic.RateLimitError, 429
    invalid = anthropic.BadRequestError, 400
    unauthorized = anthropic.AuthenticationError, 401
    forbidden = anthropic.PermissionDeniedError, 403
    spent = anthropic.EnforcedSpendLimitReachedError, 429
    down = anthropic.InternalServerError, 502
    cut_raises = anthropic.APIStatusError
    status, headers = staticmethod(OpenAI.status), staticmethod(OpenAI.headers)

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = {} if retries is None else {"max_retries": retries}
        with anthropic.Anthropic(
            base_url=f"{door}/{self.path}", api_key=key, default_headers=headers, **options
        ) as client:
            yield client

    def ask(self, client, model=None):
        answer = client.messages.create(
            model=model or self.model, max_tokens=100,
            messages=[{"role": "user", "content": PROMPT}],
        )
        return Said(answer.content[0].text, answer.usage.input_tokens, answer.usage.output_tokens)

    def stream(self, client, heard, model=None):
        with client.messages.stream(
            model=model or self.model, max_tokens=100,
            messages=[{"role": "user", "content": PROMPT}],
        ) as stream:
            for text in stream.text_stream:
                heard.append(text)
            usage = stream.get_final_message().usage
        return Said("".join(heard), usage.input_tokens, usage.output_tokens)


class Gemini(Dialect):
    """Gemini's generated content."""

    name = "gemini"
    path = "gemini"
    tries = 1
    broken = gemini_errors.ServerError, 500
    overloaded = gemini_errors.ServerError, 503
    limited = gemini_errors.ClientError, 429
    invalid = gemini_errors.ClientError, 400
    unauthorized = gemini_errors.ClientError, 401
    forbidden = gemini_errors.ClientError, 403
    spent = gemini_errors.ClientError, 429
    down = gemini_errors.ServerError, 502
    cut_raises = gemini_errors.APIError

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = gemini.HttpOptions(base_url=f"{door}/{self.path}", headers=headers)
        client = genai.Client(api_key=key, http_options=options)
        yield client
        client.close()

    def _request(self, model):
        config = gemini.GenerateContentConfig(max_output_tokens=100)
        return {"model": model or self.model, "contents": PROMPT, "config": config}

    def ask(self, client, model=None):
        answer = client.models.generate_content(**self._request(model))
        usage = answer.usage_metadata
        return Said(answer.text, usage.prompt_token_count, usage.candidates_token_count)

    def stream(self, client, heard, model=None):
        usage = None
        for chunk in client.models.generate_content_stream(**self._request(model)):
            usage = chunk.usage_metadata or usage
            heard += [chunk.text] if chunk.text else []
        return Said("".join(heard), usage.prompt_token_count, usage.candidates_token_count)

    @staticmethod
    def status(error):
        return error.code

    @staticmethod
    def headers(error):
        return error.response.headers


class Bedrock(Dialect):
    """Bedrock's conversations."""

    name = "bedrock"
    path = "bedrock"
    broken = "InternalServerException", 500
    overloaded = "ServiceUnavailableException", 503
    limited = "ThrottlingException", 429
    invalid = "ValidationException", 400
    unauthorized = "UnrecognizedClientException", 403
    forbidden = "AccessDeniedException", 403
    spent = "ServiceQuotaExceededException", 400
    down = "InternalServerException", 502
    cut_raises = EventStreamError

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = {} if retries is None else {"retries": {"total_max_attempts": retries + 1}}
        client = boto3.client(
            "bedrock-runtime", region_name="us-east-1", endpoint_url=f"{door}/{self.path}",
            aws_access_key_id=key, aws_secret_access_key="secret",
            config=botocore.config.Config(**options),
        )

        def add(request, **_):
            for name, value in headers.items():
                request.headers[name] = value

        client.meta.events.register("before-sign.bedrock-runtime", add)
        yield client
        client.close()

    def _request(self, model):
        return {
            "modelId": model or self.model,
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
            "inferenceConfig": {"maxTokens": 100},
        }

    def ask(self, client, model=None):
        answer = client.converse(**self._request(model))
        text, usage = answer["output"]["message"]["content"][0]["text"], answer["usage"]
        return Said(text, usage["inputTokens"], usage["outputTokens"])

    def stream(self, client, heard, model=None):
        usage = None
        for event in client.converse_stream(**self._request(model))["stream"]:
            if "contentBlockDelta" in event:
                heard.append(event["contentBlockDelta"]["delta"]["text"])
            usage = event.get("metadata", {}).get("usage", usage)
        return Said("".join(heard), usage["inputTokens"], usage["outputTokens"])

    @staticmethod
    def status(error):
        return error.response["ResponseMetadata"]["HTTPStatusCode"]

    @staticmethod
    def headers(error):
        return error.response["ResponseMetadata"]["HTTPHeaders"]


class Invoke(Bedrock):
    """Claude as Bedrock has it."""

    name = "invoke"
    model = "anthropic.priced"

    def _request(self, model):
        body = {
            "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        return {"modelId": model or self.model, "body": json.dumps(body)}

    def ask(self, client, model=None):
        answer = client.invoke_model(**self._request(model))
        body, headers = json.load(answer["body"]), answer["ResponseMetadata"]["HTTPHeaders"]
        told = [int(headers[f"x-amzn-bedrock-{side}-token-count"]) for side in ("input", "output")]
        assert told == [body["usage"]["input_tokens"], body["usage"]["output_tokens"]]
        return Said(body["content"][0]["text"], *told)

    def stream(self, client, heard, model=None):
        metrics = None
        for event in client.invoke_model_with_response_stream(**self._request(model))["body"]:
            said = json.loads(event["chunk"]["bytes"])
            if said["type"] == "content_block_delta":
                heard.append(said["delta"]["text"])
            metrics = said.get("amazon-bedrock-invocationMetrics", metrics)
        return Said("".join(heard), metrics["inputTokenCount"], metrics["outputTokenCount"])


class Deepgram(Dialect):
    """Deepgram's recordings."""

    name = "deepgram"
    path = "deepgram"
    model = "nova-3"
    streams = False
    milliseconds = 1500
    seconds_price = 71_670
    broken = deepgram.core.ApiError, 500
    overloaded = deepgram.core.ApiError, 503
    limited = deepgram.core.ApiError, 429
    invalid = deepgram.errors.BadRequestError, 400
    unauthorized = deepgram.core.ApiError, 401
    forbidden = deepgram.core.ApiError, 403
    spent = deepgram.core.ApiError, 402
    down = deepgram.core.ApiError, 502

    @contextlib.contextmanager
    def client(self, door, key, headers, retries=None):
        options = {} if retries is None else {"max_retries": retries}
        base = f"{door}/{self.path}"
        places = deepgram.environment.DeepgramClientEnvironment(
            base=base, production=base, agent=base, agent_rest=base
        )
        yield deepgram.DeepgramClient(
            api_key=key, environment=places, headers=headers, **options
        )

    def ask(self, client, model=None):
        answer = client.listen.v1.media.transcribe_file(
            request=silence(self.milliseconds), model=model or self.model
        )
        text = answer.results.channels[0].alternatives[0].transcript
        return Said(text, seconds=answer.metadata.duration)

    @staticmethod
    def status(error):
        return error.status_code

    @staticmethod
    def headers(error):
        return error.headers


DIALECTS = [
    OpenAI(), Responses(), Transcribe(), Whisper(), Azure(), Anthropic(), Gemini(), Bedrock(),
    Invoke(), Deepgram(),
]

# One of each client, for what takes its time.
CLIENTS = [OpenAI(), Anthropic(), Gemini(), Bedrock(), Deepgram()]


@contextlib.contextmanager
def raises(dialect, what):
    """Expects the error that the table has under that name; the body gets a holder of it."""
    kind, status = getattr(dialect, what)
    caught = []
    code = kind if isinstance(kind, str) else None
    try:
        yield caught
    except (ClientError if code else kind) as error:
        assert dialect.status(error) == status, error
        assert code in (None, error.response["Error"]["Code"] if code else None), error
        caught.append(error)
    else:
        raise AssertionError(f"{dialect.name} raised nothing for {what}")
