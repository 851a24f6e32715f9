# SynTIC's app on a CPU:  docker build -t syntic . && docker run -p 7860:7860 syntic
FROM python:3.11-slim

# Only METEOR and the PTB tokenizer need Java; the app runs without it.
#   docker build --build-arg SYSTEM_PACKAGES=default-jre-headless -t syntic .
ARG SYSTEM_PACKAGES=""
RUN if [ -n "$SYSTEM_PACKAGES" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $SYSTEM_PACKAGES && rm -rf /var/lib/apt/lists/*; \
    fi

# Hugging Face Spaces runs containers as user 1000.
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app

ENV PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=PASSIVE \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860

# PyTorch from the usual index brings several GB of CUDA. Name PyTorch's index of CPU wheels to do without:
#   docker build --build-arg TORCH_INDEX=<its address> -t syntic .
ARG TORCH_INDEX=""
COPY --chown=user requirements.txt .
RUN if [ -n "$TORCH_INDEX" ]; then \
        grep -E '^torch(vision)?==' requirements.txt > /tmp/torch.txt \
        && pip install --user --no-cache-dir --index-url "$TORCH_INDEX" -r /tmp/torch.txt; \
    fi \
    && pip install --user --no-cache-dir -r requirements.txt

COPY --chown=user . .

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=8)"]
CMD ["python", "app.py"]
